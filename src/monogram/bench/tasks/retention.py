"""`retention`: one person with 1, 5, 10, 20, 50 preferences, all of them asked after all are in.

An answer may hold the target, or that of another preference of the same person: the second is a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from monogram import scoring
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State, facts
from monogram.bench.items import Choice, Item
from monogram.bench.probes import same_attribute
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, gold
from monogram.bench.tasks.people import SIZES, people
from monogram.bench.tasks.upqa import holds


class Retention(Task):
    """The direct and the paraphrased question about each of a person's preferences."""

    name = "retention"
    help = "How many preferences can one person have before they are mixed up?"
    headings: ClassVar[Mapping[str, str]] = {
        f"{metric}_{size}": f"{heading.format(size)}"
        for metric, heading in (
            ("retention", "recalled of {}"),
            ("retention_other", "answered with another target, of {} ↓"),
        )
        for size in SIZES
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        file = sources.items
        whose = people(file, same_attribute())
        cases, skipped = [], []
        for person, items in list(whose.items())[: choice.limit]:
            for size in SIZES:
                if size <= len(items):
                    cases.append(_case(person, items[:size]))
                else:
                    why = f"{person} has {len(items)} preferences of different attributes, not {size}."
                    skipped.append((f"{person}:{size}", why))
        asked = tuple(text for item in file.items for text in (item.direct, item.paraphrased))
        return Plan(tuple(cases), asked, tuple(skipped))

    def marks(self, row: Record) -> dict[str, Mark]:
        size, told = row["size"], holds(row, row["answer"])
        about = {"question": row["question"], "attribute": f"{row['attribute']} {row['target']}"}
        others = [scoring.recall(target, row["answer"], **about) for target in row["others"]]
        return {f"retention_{size}": told, f"retention_other_{size}": not told and any(others)}


def _case(person: str, items: Sequence[Item]) -> Case:
    """A person of that size, and what they are asked."""
    asks = []
    for item in items:
        others = [other.target for other in items if other is not item]
        told = {**gold(item), "size": len(items), "others": others}
        for kind, text in (("direct", item.direct), ("paraphrased", item.paraphrased)):
            asks.append(Ask(kind, said(text), item.id, gold=told))
    return Case(f"{person}:{len(items)}", State(facts(items)), tuple(asks))


task = Retention()
