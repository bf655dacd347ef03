"""`forget`: is what is left, to the bit, what would be there had it never been added, and is it recalled no
more?

People of two preferences, of two items of different attributes. One is forgotten: the ledger's present set is
made anew, as the product does it. The other's state must be that of a person who only ever had the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State, fact
from monogram.bench.intervals import Figure, share
from monogram.bench.items import Choice, Item
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, averages, chosen, gold, over_items
from monogram.bench.tasks.leak import fresh
from monogram.bench.tasks.upqa import holds


class Forget(Task):
    """Both, then one alone again, against that one never having met the other."""

    name = "forget"
    help = "Is a forgotten preference gone, as if it had never been there?"
    headings: ClassVar[Mapping[str, str]] = {
        "forget_exact": "forgotten: equal to never added, to the bit",
        "forget_before": "recalled before it was forgotten",
        "forget_recall": "recalled after it was forgotten ↓",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        items = chosen(sources, choice)
        cases = [case for item, kept in _pairs(items) for case in _of(item, kept)]
        return Plan(tuple(cases), over_items(sources, choice, _direct).asked)

    def marks(self, row: Record) -> dict[str, Mark]:
        if row["kind"] == "before":
            return {"forget_before": holds(row, row["answer"])}
        return {"forget_recall": fresh(row)} if row["kind"] == "after" else {}

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """The rates, and the share of items whose state after forgetting equals the one of never added."""
        digests: dict[tuple[int, str], dict[str, str]] = {}
        for row in rows:
            if row["kind"] == "state":
                digests.setdefault((row["seed"], row["item"]), {})[row["variant"]] = row["digest"]
        told = [found["after"] == found["never"] for found in digests.values() if len(found) == 2]
        return averages(rows, seed) | {"forget_exact": share(told)}


def _direct(item: Item) -> tuple[Ask, ...]:
    return (Ask("before", said(item.direct), gold=gold(item)),)


def _pairs(items: Sequence[Item]) -> Iterator[tuple[Item, Item | None]]:
    """Each item with the one that is kept when it is forgotten: a neighbour of another attribute."""
    left = list(items)
    while left:
        item = left.pop(0)
        place = next((i for i, other in enumerate(left) if _differ(item, other)), None)
        if place is None:
            yield item, next((other for other in items if _differ(item, other)), None)
        else:
            other = left.pop(place)
            yield item, other
            yield other, item


def _differ(item: Item, other: Item) -> bool:
    return item.attribute.casefold() != other.attribute.casefold()


def _of(item: Item, kept: Item | None) -> Iterator[Case]:
    """The states of a person who forgets `item`, and of one who never had it."""
    rest = () if kept is None else (fact(kept),)
    both = tuple(sorted((fact(item), *rest), key=lambda known: known.id))  # the same state for both of a pair
    yield Case(item.id, State(both), _direct(item))
    after = Ask("after", said(item.direct), gold=gold(item))
    yield Case(item.id, State(rest, again=True), (after, Ask("state", variant="after", how="digest")))
    yield Case(item.id, State(rest), (Ask("state", variant="never", how="digest"),))


task = Forget()
