"""`prefeval-choice`: which of four answers does the model find most likely after the question?

Options are never shown, so their places cannot matter. The right one stands first in the file; it counts only
where it is strictly ahead of all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice, first
from monogram.bench.paired import flips, mcnemar
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, averages


class PrefevalChoice(Task):
    """PrefEval's `mcq_options`."""

    name = "prefeval-choice"
    help = "Is the answer that respects the preference the likeliest of four?"
    headings: ClassVar[Mapping[str, str]] = {
        "choice": "right option likeliest",
        "choice_base": "right option likeliest, base model",
        "choice_per_token": "right option likeliest per token",
        "choice_p": "right option against base, McNemar's p",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        there = [situation for situation in sources.situations if situation.options]
        if not there:
            return missing("options in PrefEval's format", "mcq_options/")
        cases = []
        for situation in first(there, lambda situation: situation.topic, choice):
            told = {"attribute": situation.topic, "target": situation.options[0]}
            told["statement"] = situation.statement
            ask = Ask("options", said(situation.question), "", "options", situation.options, gold=told)
            cases.append(Case(situation.id, State((situation.fact,)), (ask,)))
        return Plan(tuple(cases), tuple(situation.question for situation in there))

    def marks(self, row: Record) -> dict[str, Mark]:
        per_token = [value / count for value, count in zip(row["loglik"], row["tokens"], strict=True)]
        return {
            "choice": best(row["loglik"]),
            "choice_base": best(row["base"]["loglik"]),
            "choice_per_token": best(per_token),
        }

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """The rates, and McNemar's test of the method's choices against the base model's."""
        found = averages(rows, seed)
        pairs = [(marks["choice_base"], marks["choice"]) for marks in (row["scores"] for row in rows)]
        return found | {"choice_p": Figure(mcnemar(*flips(pairs)), None, None, len(pairs))}


def best(loglik: Sequence[float]) -> bool:
    """Whether the first is strictly the most likely."""
    return loglik[0] > max(loglik[1:])


def missing(what: str, files: str) -> Plan:
    """A plan that asks nothing, and says why."""
    why = f"There are no {what} in the given data. Give --data a folder that has {files}."
    return Plan((), skipped=(("", why),))


task = PrefevalChoice()
