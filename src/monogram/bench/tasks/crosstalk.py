"""`crosstalk`: the same person's other attributes. The target must not come up, and the answer stays the base
model's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from monogram.bench.asks import Ask, Plan, said
from monogram.bench.items import Choice, Item, ItemFile
from monogram.bench.probes import crosstalk_questions, same_attribute
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, gold, over_items
from monogram.bench.tasks.leak import fresh

MOST = 9
"""Other attributes that are asked about, per item; which ones changes from item to item."""


class Crosstalk(Task):
    """The direct questions about other attributes."""

    name = "crosstalk"
    help = "Does the target come up when another attribute of the same person is asked for?"
    gated = ("crosstalk",)
    headings: ClassVar[Mapping[str, str]] = {
        "crosstalk": "crosstalk ↓",
        "crosstalk_changed": "crosstalk, answer changed ↓",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        return replace(over_items(sources, choice, _asker(sources.items)), settings={"crosstalk": MOST})

    def marks(self, row: Record) -> dict[str, Mark]:
        return {"crosstalk": fresh(row), "crosstalk_changed": row["head"] != row["base"]["head"]}


def _asker(file: ItemFile) -> Callable[[Item], tuple[Ask, ...]]:
    same = same_attribute()
    people = dict.fromkeys(item.person for item in file.items)
    direct = {person: file.of(person).direct_questions for person in people}

    def asks(item: Item) -> tuple[Ask, ...]:
        others = crosstalk_questions(item, direct[item.person], same, MOST)
        return tuple(Ask("crosstalk", said(text), other, gold=gold(item)) for other, text in others.items())

    return asks


task = Crosstalk()
