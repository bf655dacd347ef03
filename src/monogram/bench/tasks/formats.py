"""Instructions about the form of an answer, each with a check that needs no judge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from monogram.words import count


@dataclass(frozen=True)
class Format:
    """One instruction.

    Attributes:
        name: what rows call it.
        text: what the user says.
        obeyed: whether an answer has that form.
    """

    name: str
    text: str
    obeyed: Callable[[str], bool]


def _json(answer: str) -> bool:
    body = re.sub(r"^```(?:json)?\s*|\s*```$", "", answer.strip())
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _lines(answer: str, begin: str) -> bool:
    lines = [line.strip() for line in answer.strip().splitlines() if line.strip()]
    return len(lines) >= 2 and all(re.match(begin, line) for line in lines)


def _cased(answer: str, wanted: str) -> bool:
    return any(c.isalpha() for c in answer) and answer == wanted


FORMATS = (
    Format(
        "json", 'What is the boiling point of water? Answer with a JSON object with the key "celsius".', _json
    ),
    Format(
        "bullets",
        "Name three uses of vinegar. Answer with bullet points only, each beginning with a dash.",
        lambda answer: _lines(answer, r"[-*•]\s"),
    ),
    Format(
        "numbered",
        "How is paper recycled? Answer with a numbered list and nothing else.",
        lambda answer: _lines(answer, r"\d+[.)]\s"),
    ),
    Format(
        "one-word", "Which planet is the largest? Answer with one word.", lambda answer: count(answer) == 1
    ),
    Format(
        "uppercase",
        "What does a lighthouse do? WRITE YOUR WHOLE ANSWER IN CAPITAL LETTERS.",
        lambda answer: _cased(answer, answer.upper()),
    ),
    Format(
        "lowercase",
        "why do leaves fall in autumn? write your whole answer in lower case letters.",
        lambda answer: _cased(answer, answer.lower()),
    ),
    Format(
        "ten-words",
        "What is a glacier? Use ten words at most.",
        lambda answer: 1 <= count(answer) <= 10,
    ),
    Format(
        "last-word",
        'Say in a sentence what an anvil is for, and end with the word "done".',
        lambda answer: bool(re.search(r"\bdone\W*$", answer.casefold())),
    ),
)
BY_NAME = {form.name: form for form in FORMATS}
