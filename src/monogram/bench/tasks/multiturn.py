"""`multiturn`: 0, 2, 4, 6, 8, 10 unrelated turns before the question. Does the preference still count?

Each question twice: `untold`, where only the method knows the preference, and `told`, where the user said it
in the first turn, as PrefEval does (there the method `none` is PrefEval's zero-shot). A turn is what the user
says with its answer. Where a record has options, they are weighed, too: that needs no judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from monogram import scoring
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State
from monogram.bench.items import Choice, first
from monogram.bench.prefeval import Situation, Turn
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task
from monogram.bench.tasks.prefeval_choice import best, missing
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
    """PrefEval's questions after its unrelated turns."""

    name = "multiturn"
    help = "Does a preference count however long ago it was said?"
    headings: ClassVar[Mapping[str, str]] = {
        f"{metric}_{turns}": heading.format(turns) for metric, heading in METRICS.items() for turns in TURNS
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        if not sources.situations or not sources.turns:
            what = "inter-turns" if sources.situations else "preferences"
            return missing(f"{what} in PrefEval's format", "explicit_preference/ and inter_turns.json")
        turns = [turn for conversation in sources.turns for turn in conversation]
        chosen = first(sources.situations, lambda situation: situation.topic, choice)
        cases = (
            Case(s.id, State((s.fact,)), tuple(_asks(s, _from(turns, place * max(TURNS)))))
            for place, s in enumerate(chosen)
        )
        return Plan(tuple(cases), tuple(situation.question for situation in sources.situations))

    def marks(self, row: Record) -> dict[str, Mark]:
        metric, turns = row["kind"].removesuffix("_options"), row["after"]
        if row["kind"].endswith("_options"):
            return {f"{metric}_choice_{turns}": best(row["loglik"])}
        if row["polarity"] != "avoids":
            return {f"{metric}_{turns}": holds(row, row["answer"], scoring.BEYOND)}
        if scoring.recall(row["target"], row["question"], question="", attribute=""):
            return {}  # the question itself names it
        return {f"{metric}_violation_{turns}": names(row, row["answer"])}


def _asks(situation: Situation, turns: Sequence[Turn]) -> Iterator[Ask]:
    preference = situation.fact.preference
    for number in TURNS:
        told = {"attribute": preference.attribute, "target": preference.target}
        told |= {"polarity": preference.polarity, "statement": situation.statement}
        before = {"multiturn": turns[:number], "told": [(situation.statement, UNDERSTOOD), *turns[:number]]}
        for kind, earlier in before.items():
            chat, gold = said(situation.question, before=earlier), {**told, "after": number}
            yield Ask(kind, chat, str(number), gold=gold)
            if situation.options:
                yield Ask(f"{kind}_options", chat, str(number), "options", situation.options, gold=gold)


def _from(turns: Sequence[Turn], start: int) -> list[Turn]:
    """Turns from a place on, round and round: every record has others."""
    start %= len(turns)
    return [*turns[start:], *turns[:start]]


task = Multiturn()
