"""`violation`: what somebody avoids. How many recommendations name it all the same, against the base model's?

Naming the target is no merit here. The records are the given items with polarity `avoids` or a list of what
is avoided (a diet is a fact by its name, "pescatarian", and leaves things out all the same), and the given
situations in PrefEval's format whose sentence says plainly what is avoided; without any, the project's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from monogram import scoring
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State, fact
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice, ItemFile, first
from monogram.bench.paired import flips, mcnemar
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, averages, gold
from monogram.words import content


class Violation(Task):
    """Implicit and product questions of what is avoided."""

    name = "violation"
    help = "Is what somebody avoids recommended to them all the same?"
    headings: ClassVar[Mapping[str, str]] = {
        "violation": "violation ↓",
        "violation_base": "violation by the base model",
        "violation_p": "violation against base, McNemar's p",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        there = [*_of_items(sources.items), *_of_situations(sources)] or [*_of_items(sources.own)]
        if not there:
            why = "No record says what somebody avoids, neither in the given data nor in the project's own."
            return Plan((), skipped=(("", why),))
        cases = first(there, lambda case: case.state.facts[0].preference.attribute, choice)
        return Plan(cases, tuple(ask.question for case in there for ask in case.asks))

    def marks(self, row: Record) -> dict[str, Mark]:
        return {"violation": names(row, row["answer"]), "violation_base": names(row, row["base"]["answer"])}

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """The rates, and McNemar's test of the method's answers against the base model's."""
        found = averages(rows, seed)
        pairs = [(marks["violation_base"], marks["violation"]) for marks in (row["scores"] for row in rows)]
        return found | {"violation_p": Figure(mcnemar(*flips(pairs)), None, None, len(pairs))}


def names(row: Record, answer: str) -> bool:
    """Whether an answer recommends what the row's person avoids, in any of its wordings."""
    avoided = row.get("avoided") or (row["target"], *row.get("variants", ()))
    return any(scoring.recommends(word, answer) for word in avoided)


def _of_items(file: ItemFile) -> Iterator[Case]:
    for item in file.items:
        known = fact(item)
        if known.preference.polarity == "avoids" or item.avoided:
            asked = {"implicit": item.implicit, "product": item.product, "temptation": item.temptation}
            told = {**gold(item), **({"avoided": list(item.avoided)} if item.avoided else {})}
            asks = tuple(Ask(kind, said(text), gold=told) for kind, text in asked.items() if text)
            yield Case(item.id, State((known,)), asks)


def _of_situations(sources: Sources) -> Iterator[Case]:
    """Those whose avoided thing is no word of the question itself: an answer has to name that."""
    for situation in sources.situations:
        preference = situation.fact.preference
        asked = set(content(situation.question))
        if preference.polarity == "avoids" and asked.isdisjoint(content(preference.target)):
            told = {"attribute": preference.attribute, "target": preference.target}
            ask = Ask("recommend", said(situation.question), gold=told)
            yield Case(situation.id, State((situation.fact,)), (ask,))


task = Violation()
