"""The questions of the task `upqa`, and what each answer is marked for.

Per item: direct, paraphrased, implicit and product question; three leak questions; the direct questions
of the other attributes; the drift prompts. An implicit question that is put to the assistant itself ("How
was your day at work?") is a column of its own, outside the headline. Marks are made from raw records
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monogram import scoring
from monogram.bench.items import Item, ItemFile
from monogram.bench.probes import (
    Same,
    crosstalk_questions,
    drift_prompts,
    leak_questions,
    put_to_assistant,
    same_attribute,
)

PREFERENCE_KINDS = ("direct", "paraphrased", "implicit", "implicit_assistant", "product")
"""Questions whose answer should hold the target."""
AT_LENGTH = frozenset({"implicit", "implicit_assistant", "product"})
"""Of those, the ones whose answer must say something beyond the target."""
ELSEWHERE = ("leak", "crosstalk")
"""Questions whose answer should not name the target."""


@dataclass(frozen=True)
class Question:
    """One question about one item."""

    kind: str
    text: str
    variant: str = ""
    """Tells questions of one kind apart: who a leak question is about, which attribute crosstalk asks for."""


class Upqa:
    """The task over the chosen items of a file.

    Args:
        file: all records; a person's attribute names and the questions that must not train come from all of
            them.
        items: those that are asked about.
        crosstalk: at most so many crosstalk questions per item; all of them by default.
        same: whether two attribute names mean the same; by the table's synonyms by default.
    """

    name = "upqa"

    def __init__(
        self, file: ItemFile, items: Sequence[Item], *, crosstalk: int | None = None, same: Same | None = None
    ) -> None:
        self.file = file
        self.items = tuple(items)
        self.crosstalk = crosstalk
        self._given_same = same

    @cached_property
    def _same(self) -> Same:
        return self._given_same or same_attribute()

    @cached_property
    def _direct(self) -> dict[str, dict[str, str]]:
        """Person -> the direct questions about them, by attribute."""
        people = dict.fromkeys(item.person for item in self.file.items)
        return {person: self.file.of(person).direct_questions for person in people}

    @cached_property
    def drift_prompts(self) -> tuple[str, ...]:
        """Unrelated prompts, the same for every item."""
        return drift_prompts()

    def questions(self, item: Item) -> tuple[Question, ...]:
        """Everything that is asked about one item, drift prompts aside."""
        implicit = "implicit_assistant" if put_to_assistant(item.implicit) else "implicit"
        across = crosstalk_questions(item, self._direct[item.person], self._same, self.crosstalk)
        return (
            Question("direct", item.direct),
            Question("paraphrased", item.paraphrased),
            Question(implicit, item.implicit),
            Question("product", item.product),
            *(Question("leak", text, variant) for variant, text in leak_questions(item).items()),
            *(Question("crosstalk", text, variant) for variant, text in across.items()),
        )

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """Every question about every item of the file, chosen or not, and the drift prompts.

        None of them may train. It is the whole file's, so that an edit does not depend on the choice of
        items.
        """
        texts = [question.text for item in self.file.items for question in self.questions(item)]
        return tuple(dict.fromkeys([*texts, *self.drift_prompts]))


def marks(record: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, bool | None]:
    """What one answer is marked for: column -> mark, None where it does not count.

    Args:
        record: an answer from raw.jsonl (kind, target, attribute, question, answer, head).
        base: the base model's answer to the same question (answer, head).
    """
    kind, target, answer = record["kind"], record["target"], record["answer"]
    about = {"question": record["question"], "attribute": record["attribute"]}
    if kind in ELSEWHERE:
        named = scoring.recall(target, answer, **about)
        fresh = None if named is None else named and not scoring.recall(target, base["answer"], **about)
        found = {kind: fresh}
        if kind == "crosstalk":
            found["crosstalk_changed"] = list(record["head"]) != list(base["head"])
        return found
    beyond = scoring.BEYOND if kind in AT_LENGTH else 0
    told = scoring.recall(target, answer, **about, beyond=beyond)
    return {
        kind: told,
        f"contains_{kind}": scoring.contains(target, answer),
        "terse": scoring.terse(answer, base["answer"]),
        "repetition": scoring.stutters(answer),
        "excluded": told is None,
    }
