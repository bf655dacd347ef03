"""`multiturn`: 0, 2, 4, 6, 8, 10 unrelated turns before the question. Does the preference still count?

Each question twice: `untold`, where only the method knows the preference, and `told`, where the user said it
in the first turn, as PrefEval does (there the method `none` is PrefEval's zero-shot). A turn is what the user
says with its answer. Where a record has options, they are weighed, too: that needs no judge. Without records
in PrefEval's format the items' direct questions are asked, and without other turns the project's own come
between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from monogram import scoring
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State, fact
from monogram.bench.items import Choice, Item, first
from monogram.bench.prefeval import Situation, Turn
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, chosen, gold
from monogram.bench.tasks.prefeval_choice import best
from monogram.bench.tasks.upqa import holds
from monogram.bench.tasks.violation import names

TURNS = (0, 2, 4, 6, 8, 10)
UNDERSTOOD = "I understand. I'll keep that in mind."
METRICS = {
    "multiturn": "recalled after {} turns",
    "multiturn_violation": "violation after {} turns ↓",
    "multiturn_choice": "right option after {} turns",
    "told": "told, recalled after {} turns",
    "told_violation": "told, violation after {} turns ↓",
    "told_choice": "told, right option after {} turns",
}


class Multiturn(Task):
    """Questions after unrelated turns."""

    name = "multiturn"
    help = "Does a preference count however long ago it was said?"
    headings: ClassVar[Mapping[str, str]] = {
        f"{metric}_{turns}": heading.format(turns) for metric, heading in METRICS.items() for turns in TURNS
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        turns = [turn for conversation in sources.turns for turn in conversation]
        if sources.situations:
            topics = first(sources.situations, lambda situation: situation.topic, choice)
            asked = [(s.id, s.fact, _situated(s), s.options) for s in topics]
            texts = tuple(situation.question for situation in sources.situations)
        else:
            asked = [(item.id, fact(item), _direct(item), ()) for item in chosen(sources, choice)]
            texts = tuple(item.direct for item in sources.items.items)
        cases = (
            Case(name, State((known,)), tuple(_asks(about, options, _from(turns, place * max(TURNS)))))
            for place, (name, known, about, options) in enumerate(asked)
        )
        return Plan(tuple(cases), texts)

    def marks(self, row: Record) -> dict[str, Mark]:
        metric, turns = row["kind"].removesuffix("_options"), row["after"]
        if row["kind"].endswith("_options"):
            return {f"{metric}_choice_{turns}": best(row["loglik"])}
        if row.get("polarity") != "avoids":
            return {f"{metric}_{turns}": holds(row, row["answer"], row.get("beyond", scoring.BEYOND))}
        if scoring.recall(row["target"], row["question"], question="", attribute=""):
            return {}  # the question itself names it
        return {f"{metric}_violation_{turns}": names(row, row["answer"])}


def _situated(situation: Situation) -> dict[str, Any]:
    """What is asked in a situation, and what its answer is held against."""
    known = situation.fact.preference
    told = {"attribute": known.attribute, "target": known.target, "polarity": known.polarity}
    return {"question": situation.question, "statement": situation.statement, **told}


def _direct(item: Item) -> dict[str, Any]:
    """An item's direct question: its answer names the target, of what is avoided, too."""
    told = {name: value for name, value in gold(item).items() if name != "polarity"}
    return {"question": item.direct, "statement": item.statement, "beyond": 0, **told}


def _asks(asked: Mapping[str, Any], options: tuple[str, ...], turns: Sequence[Turn]) -> Iterator[Ask]:
    told = {name: value for name, value in asked.items() if name != "question"}
    for number in TURNS:
        before = {"multiturn": turns[:number], "told": [(asked["statement"], UNDERSTOOD), *turns[:number]]}
        for kind, earlier in before.items():
            chat, held = said(asked["question"], before=earlier), {**told, "after": number}
            yield Ask(kind, chat, str(number), gold=held)
            if options:
                yield Ask(f"{kind}_options", chat, str(number), "options", options, gold=held)


def _from(turns: Sequence[Turn], start: int) -> list[Turn]:
    """Turns from a place on, round and round: every record has others."""
    start %= len(turns)
    return [*turns[start:], *turns[:start]]


task = Multiturn()
