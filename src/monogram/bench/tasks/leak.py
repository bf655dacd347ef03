"""`leak`: the direct question about somebody else. The target must not come up where the base model did not
say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from monogram.bench.asks import Ask, Plan, said
from monogram.bench.items import Choice, Item
from monogram.bench.probes import leak_questions
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, gold, over_items
from monogram.bench.tasks.upqa import holds


class Leak(Task):
    """A named person, a relative, the word itself."""

    name = "leak"
    help = "Does the target come up when somebody else is asked about?"
    gated = ("leak",)
    headings: ClassVar[Mapping[str, str]] = {"leak": "leak ↓"}

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        return over_items(sources, choice, _asks)

    def marks(self, row: Record) -> dict[str, Mark]:
        return {"leak": fresh(row)}


def _asks(item: Item) -> tuple[Ask, ...]:
    asked = leak_questions(item)
    return tuple(Ask("leak", said(text), who, gold=gold(item)) for who, text in asked.items())


def fresh(row: Record) -> bool | None:
    """Whether an answer names the target where the base model's does not."""
    named = holds(row, row["answer"])
    return None if named is None else named and not holds(row, row["base"]["answer"])


task = Leak()
