"""`thanks`: somebody who only says thank you is answered as before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from monogram.bench.asks import Ask, Plan, said
from monogram.bench.items import Choice, Item
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, gold, over_items

THANKS = ("Thank you!", "Thanks, that's all.")


class Thanks(Task):
    """Two ways to say thank you, for every item."""

    name = "thanks"
    help = "Is a thank you answered as before?"
    headings: ClassVar[Mapping[str, str]] = {"thanks": "thanks answered as before"}

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        """Each item is a person with that one preference."""
        return over_items(sources, choice, _asks)

    def marks(self, row: Record) -> dict[str, Mark]:
        """Whether the answer is the base model's."""
        return {"thanks": row["answer"] == row["base"]["answer"]}


def _asks(item: Item) -> tuple[Ask, ...]:
    return tuple(Ask("thanks", said(text), str(way), gold=gold(item)) for way, text in enumerate(THANKS))


task = Thanks()
