"""From a model's answer to an item, or the reasons why it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monogram import scoring
from monogram.clusters.rules import Rules
from monogram.dataset.wording import LISTED, QUESTIONS, SYNONYMS, TEXTS, form
from monogram.endpoint import parsed
from monogram.errors import InputError
from monogram.preferences import POLARITIES, Preference
from monogram.words import content, normal, stem, words

MOST_WORDS = {"attribute_type": 4, "target": 8, "polarity": 1}
QUESTION_WORDS = (3, 40)
_FIRST = "i i'm i've i'd i'll im my me mine myself we we're we've us our ours"
FIRST = frozenset(_FIRST.split())
YOUR = re.compile(r"\b(?:your|yours|yourself)\b", re.IGNORECASE)
_ENDS = ("?", "？", "؟")

Record = dict[str, Any]


class UnusableError(Exception):
    """The model says that nothing can be asked about a statement. No mistake of anybody's."""


def record(answer: str, statement: str, clusters: int) -> Record:
    """The item in an answer, in UPQA's format with a `polarity` beside it.

    Raises:
        UnusableError: the model says why the statement cannot be used.
        InputError: not by the form, or something is wrong with it; all of it is said.
    """
    told = parsed(answer)
    _shaped(told, clusters)
    if not told["usable"]:
        raise UnusableError(" ".join(told["reason"].split())[:200] or "no reason given")
    troubles = list(_troubles(told, statement))
    if troubles:
        raise InputError(" ".join(troubles))
    clean = {name: " ".join(told[name].split()) for name in TEXTS}
    made: Record = {"input_attribute": statement}
    for name in ("attribute_type", *QUESTIONS, "target", "polarity"):
        listed = clusters and name in LISTED
        others = [" ".join(one[name].split()) for one in told[SYNONYMS]] if listed else []
        made[name] = [*others, clean[name]] if listed else clean[name]
    return made


def _shaped(told: object, clusters: int) -> None:
    """Raise InputError for what is not by the form."""
    wanted = form(clusters).schema["required"]
    if not isinstance(told, dict) or set(told) != set(wanted):
        raise InputError(f"It must be one object with just the fields {', '.join(wanted)}.")
    texts: list[object] = [told["reason"], *(told[name] for name in TEXTS)]
    if not isinstance(told["usable"], bool) or not all(isinstance(text, str) for text in texts):
        raise InputError("usable must be true or false, and the other fields texts.")
    if clusters and told["usable"]:
        synonyms = told[SYNONYMS]
        if not isinstance(synonyms, list) or len(synonyms) != clusters or not all(map(_is_synonym, synonyms)):
            raise InputError(f"synonyms must be {clusters} objects with just the texts {', '.join(LISTED)}.")


def _is_synonym(one: object) -> bool:
    return isinstance(one, dict) and set(one) == set(LISTED) and all(isinstance(v, str) for v in one.values())


def _troubles(told: Mapping[str, Any], statement: str) -> Iterator[str]:
    """What is wrong with an answer that is by the form."""
    synonyms: Sequence[Mapping[str, str]] = told.get(SYNONYMS, ())
    before = [
        *_sizes("", told),
        *(t for i, one in enumerate(synonyms, 1) for t in _sizes(f"synonym {i}: ", one)),
    ]
    yield from before
    if before:  # the rest would only say the same again
        return
    yield from _polarity(told["polarity"], statement)
    if all(s in set(content(told["attribute_type"])) for s in content(told["target"])):
        yield "target has no word beyond attribute_type."
    asked = {name: told[name] for name in QUESTIONS}
    asked |= {f"synonym {i}: question": one["question"] for i, one in enumerate(synonyms, 1)}
    others = [one["target"] for one in synonyms]
    for name, question in asked.items():
        yield from _question(name, question)
        if _holds(question, told["target"], others, told["attribute_type"]):
            yield f"{name} holds words of the target: {question!r}."
    for name, texts in (
        ("questions", list(asked.values())),
        ("attribute names", [told["attribute_type"], *(one["attribute_type"] for one in synonyms)]),
        ("targets", [told["target"], *others]),
    ):
        if len({normal(text).strip(" ?!.") for text in texts}) < len(texts):
            yield f"Two {name} are the same."


def _sizes(where: str, texts: Mapping[str, Any]) -> Iterator[str]:
    """What is empty, too long, or has characters that cannot be kept."""
    for name in (name for name in TEXTS if name in texts):
        text = texts[name]
        try:
            Preference.checked("x", "x" if name in QUESTIONS else text, text)
        except InputError as error:
            yield f"{where}{name} cannot be used: {error}"
            continue
        least, most = QUESTION_WORDS if name in QUESTIONS else (1, MOST_WORDS[name])
        if not least <= len(text.split()) <= most:
            yield f"{where}{name} must have {least} to {most} words, not {len(text.split())}."


def _polarity(polarity: str, statement: str) -> Iterator[str]:
    if polarity not in POLARITIES:
        yield f"polarity must be one of {', '.join(POLARITIES)}."
        return
    read = {preference.polarity for preference in Rules().read([statement])}
    if len(read) == 1 and {polarity, *read} == {"likes", "avoids"}:
        yield f"polarity is {polarity}, but the statement tells of something that the person {read.pop()}."


def _question(name: str, question: str) -> Iterator[str]:
    said = set(words(question))
    own = not said.isdisjoint(FIRST)
    if not question.rstrip().endswith(_ENDS):
        yield f"{name} must be a question and end with '?'."
    if YOUR.search(question):
        yield f"{name} says 'your'; the person asks about themself: 'my'."
    elif not own and ("you" in said or name not in QUESTIONS[2:]):
        yield f"{name} must be asked by the person about themself, with 'I', 'my' or 'me'."


def _holds(question: str, target: str, others: Sequence[str], attribute: str) -> bool:
    """Whether a question has at least half of the target's words, or all of another wording's.

    The attribute's own words don't count: "What music do I like?" gives no "Jazz music" away.
    """
    said, own = {stem(word) for word in words(question)}, set(content(attribute))
    whole = [set(content(other)) - own for other in others]
    return (
        scoring.contains(target, question)
        or bool(scoring.recall(target, question, question="", attribute=attribute))
        or any(stems and stems <= said for stems in whole)
    )
