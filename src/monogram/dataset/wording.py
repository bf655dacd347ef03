"""How a model is asked for an item: the task in words, with an example, and the form of the answer."""

from __future__ import annotations

import json
from typing import Any

from monogram.endpoint import Form
from monogram.preferences import POLARITIES

QUESTIONS = ("question", "question_paraphrased", "implicit_question", "product_recommendation_question")
LISTED = ("attribute_type", "question", "target")
"""The fields that are lists in a file with clusters: synonyms first, the original last."""
TEXTS = ("attribute_type", *QUESTIONS, "target", "polarity")
SYNONYMS = "synonyms"

_EXAMPLE = {
    "usable": True,
    "reason": "",
    "attribute_type": "hobby",
    "question": "What's my hobby?",
    "question_paraphrased": "How do I like to pass a quiet evening?",
    "implicit_question": "It's raining all weekend. What could I get up to?",
    "product_recommendation_question": "Which little thing should I treat myself to for my hobby?",
    "target": "Knitting socks",
    "polarity": "likes",
}
_SYNONYMS = [
    {"attribute_type": "pastime", "question": "What's my pastime?", "target": "Sock knitting"},
    {
        "attribute_type": "leisure activity",
        "question": "Which leisure activity do I love?",
        "target": "Making socks",
    },
]

_TASK = """You turn what a person said about themself into test questions for an assistant that should know
that person. Answer with JSON alone.

- usable: false if the statement says nothing lasting about the speaker, makes no sense, or could harm
  somebody if it were tested; then say why in reason, and leave the other texts empty. Else true, reason "".
- attribute_type: what it is about, in one to three plain lower-case words ("hobby", "home city", "diet").
- target: what is true of it, in a few words, only what the statement says.
- polarity: "likes", "avoids" (an allergy, a dislike, a fear) or "fact".
- question: asks for it directly and uses the words of attribute_type.
- question_paraphrased: asks for the same in other words.
- implicit_question: an everyday question whose best answer depends on it, without naming attribute_type.
- product_recommendation_question: asks what to buy, so that the best advice depends on it.

The person asks all questions, about themself: "my", "I", "me"; never "your". No question may hold the target
or words of it, and no two may be the same."""
_MORE = """
- synonyms: {n} other ways to say it, all different: each with another name of the attribute, a direct
  question that uses that name ("What's my pastime?"), and the target in other words."""


def form(clusters: int) -> Form:
    """The form of an answer, with that many synonyms."""
    fields: dict[str, Any] = {"usable": {"type": "boolean"}, "reason": {"type": "string"}}
    fields |= {name: {"type": "string"} for name in TEXTS}
    fields["polarity"] = {"type": "string", "enum": list(POLARITIES)}
    if clusters:
        fields[SYNONYMS] = {"type": "array", "items": _object({name: {"type": "string"} for name in LISTED})}
    return Form("item", _object(fields))


def task(clusters: int) -> str:
    """The task in words, with an example."""
    more = {SYNONYMS: _SYNONYMS[:clusters]} if clusters else {}
    example = json.dumps({**_EXAMPLE, **more})
    asked = _TASK + (_MORE.format(n=clusters) if clusters else "")
    return f'{asked}\n\nFor "I knit socks on quiet evenings." a good answer is:\n{example}'


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
