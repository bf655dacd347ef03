"""What a good language model would answer, for statements of our own."""

from __future__ import annotations

import json
from typing import Any

from monogram.dataset.wording import SYNONYMS
from tests.clusters.standin import Body

POTTERY: dict[str, Any] = {
    "usable": True,
    "reason": "",
    "attribute_type": "hobby",
    "question": "What's my hobby?",
    "question_paraphrased": "How do I like to spend a free evening?",
    "implicit_question": "What's a good way to unwind on Sunday?",
    "product_recommendation_question": "Any tools that I should buy for my hobby?",
    "target": "Pottery",
    "polarity": "likes",
}
NAMES = (("pastime", "Making pots"), ("leisure activity", "Ceramics"), ("interest", "Working with clay"))
CLUSTER = [{"attribute_type": a, "question": f"What's my {a}?", "target": t} for a, t in NAMES]
FACTS = {
    "I love pottery.": ("hobby", "Pottery", "likes"),
    "I make pots every weekend.": ("hobby", "pottery", "likes"),
    "I live in Turku.": ("home city", "Turku", "fact"),
    "I can't stand loud music.": ("disliked sound", "Loud music", "avoids"),
    "My two beagles sleep on my bed.": ("pet", "Two beagles", "fact"),
    "I work as a glazier.": ("job", "Glazier", "fact"),
}
"""Statement -> attribute, target, polarity; the second is another way to say the first."""


def item(attribute: str, target: str, polarity: str, **more: Any) -> str:
    """A good answer about any attribute."""
    asked = {
        "question": f"What's my {attribute}?",
        "product_recommendation_question": f"What suits my {attribute}?",
    }
    fields = {"attribute_type": attribute, "target": target, "polarity": polarity}
    return json.dumps({**POTTERY, **asked, **fields, **more})


def statement(body: Body) -> str:
    """What a request is about."""
    return str(json.loads(body["messages"][1]["content"])["statement"])


def good(body: Body) -> str:
    """The good answer to a request, with synonyms where they are asked for."""
    attribute, target, polarity = FACTS[statement(body)]
    more = {}
    if SYNONYMS in body["messages"][0]["content"]:
        more[SYNONYMS] = [
            {"attribute_type": f"{n} thing", "question": f"What's my {n} thing?", "target": f"{target} {n}"}
            for n in ("first", "second")
        ]
    return item(attribute, target, polarity, **more)
