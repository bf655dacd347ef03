"""`systems`: does a preference count under somebody's system prompt? The direct question under each of ten.

The prompts are the package's unseen ones: none of them ever trains. Some ask for a form of their own
("Respond only with YAML ..."), as those of real assistants do. `systems_kept` is the share of answers under a
system prompt that recall what the same question recalls without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from monogram.bench import intervals
from monogram.bench.asks import Ask, Plan, said
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice, Item
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, averages, gold, over_items
from monogram.bench.tasks.upqa import holds
from monogram.clusters.corpus import unseen_systems


class Systems(Task):
    """Direct questions under system prompts."""

    name = "systems"
    help = "Does a preference count under a system prompt that knows nothing of it?"
    gated = ("systems",)
    headings: ClassVar[Mapping[str, str]] = {
        "no_system": "recalled under no system prompt",
        "systems": "recalled under ten system prompts",
        "systems_kept": "kept under ten system prompts",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        return over_items(sources, choice, _asks)

    def marks(self, row: Record) -> dict[str, Mark]:
        return {row["kind"]: holds(row, row["answer"])}

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """As ever, and of what is recalled without a system prompt, how much is under one."""
        plain = {(row["item"], row["seed"]) for row in rows if row["scores"].get("no_system")}
        known = [row for row in rows if row["kind"] == "systems" and (row["item"], row["seed"]) in plain]
        kept = intervals.share([row["scores"]["systems"] for row in known])
        return {**averages(rows, seed), "systems_kept": kept}


def _asks(item: Item) -> tuple[Ask, ...]:
    plain = Ask("no_system", said(item.direct), gold=gold(item))
    under = (
        Ask("systems", said(item.direct, system=text), str(place), gold=gold(item))
        for place, text in enumerate(unseen_systems())
    )
    return (plain, *under)


task = Systems()
