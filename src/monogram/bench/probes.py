"""Questions that nobody wrote into the file, made from its items: leak and crosstalk probes.

- leak: the direct question about somebody else (a named person, a relative) and the definition of the word;
- crosstalk: the direct questions about the same person's *other* attributes.

Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from monogram.bench.items import Item
from monogram.clusters.table import table

NAMES = ("Omar", "Chiara", "Leroy", "Beatriz", "Anders", "Fatima", "Hugo", "Thandi", "Piotr", "Soren")
RELATIVES = ("godmother", "stepbrother", "great-aunt", "half-sister", "stepfather", "son-in-law")
"""Nobody that clusters know: what trains "somebody else's" is never what is asked here."""
UNCOUNTED = frozenset({"art", "clothing", "fashion", "food", "housing", "music", "travel", "weather", "work"})
COMMON = ("name", "hobby", "job", "pet", "location", "favorite color", "sport", "native language")
"""Attributes to ask about where the file has fewer than `FEW` others (a file about one attribute, say)."""
FEW = 3

_FIRST_PERSON = re.compile(r"\b(i|i'm|i'd|i'll|i've|im|me|mine|myself|we|us|our)\b", re.IGNORECASE)
_SINGULAR = re.compile(r"\b(i|i'm|i'd|i'll|i've|im|me|my|mine|myself)\b", re.IGNORECASE)
_MY = re.compile(r"\b(m)y\b", re.IGNORECASE)
_SECOND_PERSON = re.compile(r"\byou(r|rs|rself)?\b|\byou're\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"\b(can|could|would|will|might) you\b"
    r"|\bdo you (suggest|recommend|advise|know|have|remember)\b"
    r"|\byou('d| would| can| could)? (suggest|recommend|advise|say)\b",
    re.IGNORECASE,
)

Same = Callable[[str, str], bool]


def leak_questions(item: Item) -> dict[str, str]:
    """`person`, `relative`, `definition` -> a question whose answer has nothing to do with the user.

    Names and relatives change from item to item, by its place in the file alone. A question about somebody
    else that the item brings along is asked instead, as `written`.
    """
    if item.leak:
        return {"written": item.leak, "definition": _definition(item.attribute)}
    others = {
        "person": f"{NAMES[item.index % len(NAMES)]}'s",
        "relative": f"my {RELATIVES[item.index % len(RELATIVES)]}'s",
    }
    made = {kind: _about(item, whose) for kind, whose in others.items()}
    return made | {"definition": _definition(item.attribute)}


def crosstalk_questions(
    item: Item, direct: Mapping[str, str], same: Same, limit: int | None = None
) -> dict[str, str]:
    """Other attribute -> the direct question about it.

    Args:
        item: whose other attributes are asked about.
        direct: the file's attributes with their direct questions (`ItemFile.direct_questions`).
        same: whether two attribute names mean the same (`same_attribute`); those are left out.
        limit: at most so many, a different choice from item to item; all of them by default.
    """
    if sum(not same(item.attribute, other) for other in direct) < FEW:
        direct = {**{name: f"What's my {name}?" for name in COMMON}, **direct}
    others = [(name, text) for name, text in direct.items() if not same(item.attribute, name)]
    others = [(name, text) for name, text in others if text.casefold() != item.direct.casefold()]
    if limit is not None and limit < len(others):
        start = item.index * limit % len(others)
        others = (others + others)[start : start + limit]
    return dict(others)


def same_attribute() -> Same:
    """A test for "these two names mean the same", by the table's synonyms (`job` and `profession`)."""
    known = table()

    def meaning(name: str) -> str:
        found = known.find(name)
        return name.casefold() if found is None else found.name.casefold()

    return lambda a, b: meaning(a) == meaning(b)


def put_to_assistant(question: str) -> bool:
    """Whether a question is about the assistant itself ("How was your day at work?"), not about the user.

    Its last sentence speaks of "you" beyond a request ("can you suggest ...") and not of "I" or "my".
    """
    question = question.replace("’", "'")
    last = [part for part in re.split(r"(?<=[.!?])\s+", question.strip()) if part][-1:] or [""]
    rest = _REQUEST.sub(" ", last[0])
    return bool(_SECOND_PERSON.search(rest)) and not _SINGULAR.search(rest)


def _about(item: Item, whose: str) -> str:
    """The direct question with somebody else in the place of "my"; made from the attribute where that
    fails.
    """
    question = item.direct.replace("’", "'")
    if _MY.search(question) and not _FIRST_PERSON.search(question):
        return _MY.sub(partial(_whose, whose), question)
    return f"What is {whose} {item.attribute}?"


def _whose(whose: str, found: re.Match[str]) -> str:
    return whose[0].upper() + whose[1:] if found.group(1) == "M" else whose


def _definition(attribute: str) -> str:
    last = attribute.split()[-1].casefold()
    if last in UNCOUNTED:
        return f"What is {attribute}?"
    if last.endswith("s") and not last.endswith(("ss", "us", "is")):
        return f"What are {attribute}?"
    return f"What is {'an' if attribute[0].casefold() in 'aeiou' else 'a'} {attribute}?"
