"""`change`: A, then B, then A again. Only the present one may be recalled.

B is what the data says the target becomes later, else the target of the next item of the same attribute. What
the two have in common is no evidence of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from monogram import scoring
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import Fact, State, fact
from monogram.bench.items import Choice, Item
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, chosen

NAMES = {"first": "change_first", "second": "change_present", "again": "change_back"}
"""Stage -> the metric that says whether the present one is recalled there."""


class Change(Task):
    """The direct question, at each stage."""

    name = "change"
    help = "After a change of mind, and another one back, is only the present one recalled?"
    headings: ClassVar[Mapping[str, str]] = {
        "change_present": "after a change, the present one",
        "change_present_past": "after a change, the past one ↓",
        "change_back": "changed back, the present one",
        "change_back_past": "changed back, the past one ↓",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        items = chosen(sources, choice)
        cases: list[Case] = []
        skipped = []
        for item in items:
            other = _other(item, items) or _other(item, sources.items.items)
            if other is None:
                skipped.append((item.id, f"Nothing else is known as {item.attribute} to change to."))
            else:
                cases += _stages(item, other)
        return Plan(tuple(cases), tuple(item.direct for item in sources.items.items), tuple(skipped))

    def marks(self, row: Record) -> dict[str, Mark]:
        name = NAMES[row["kind"]]
        present = _tells(row, row["target"], row["past"])
        return {name: present, f"{name}_past": _tells(row, row["past"], row["target"])}


def _tells(row: Record, target: str, other: str) -> bool | None:
    """Whether the answer recalls a target by words that the other does not share; None without such."""
    about = f"{row['attribute']} {other}"
    return scoring.recall(target, row["answer"], question=row["question"], attribute=about)


def _other(item: Item, items: Sequence[Item]) -> Fact | None:
    """What the item's target becomes: told by the data, or another item's of the same attribute."""
    if item.later:
        return fact(item, item.later[0])
    alike = [other for other in items if other.attribute.casefold() == item.attribute.casefold()]
    alike = [other for other in alike if other.target.casefold() != item.target.casefold()]
    after = [other for other in alike if other.index > item.index] or alike
    return fact(after[0]) if after else None


def _stages(item: Item, other: Fact) -> Iterator[Case]:
    """A, B, and A again; `past` is the one of the two that is not there."""
    known = fact(item)
    for stage, now, past in (("first", known, other), ("second", other, known), ("again", known, other)):
        told = {"attribute": item.attribute, "target": now.preference.target, "past": past.preference.target}
        ask = Ask(stage, said(item.direct), gold=told)
        yield Case(item.id, State((now,), again=stage == "again"), (ask,))


task = Change()
