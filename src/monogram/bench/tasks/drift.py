"""`drift`: prompts that have nothing to do with anybody. Is the model still the base model there?

The next token at the answer's start of all unrelated prompts, and under ten system prompts that no method has
seen; and, a few for each item, whole greedy answers: are they unchanged, and is a wanted form kept? A method
that writes before it answers has its next token read at those few alone: the others would take it nine tenths
of its time. The prompts are the own set's, whatever the data: receipts and the choice of settings have looked
at the corpus's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

from monogram.bench import intervals
from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State, fact
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice, Item
from monogram.bench.own import own_unrelated
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, averages, chosen
from monogram.bench.tasks.formats import BY_NAME, FORMATS
from monogram.clusters.corpus import unseen_systems

ANSWERS = {"unrelated": 8, "system": 5, "format": 4}
"""How many whole answers of each kind are written per item; which ones goes round."""
NEXT = {"unrelated": "", "system": "_system"}
"""Kinds of prompts at which next tokens are read, and what their metrics' names end in."""
T = TypeVar("T")


class Drift(Task):
    """Next tokens, whole answers, forms."""

    name = "drift"
    help = "Is everything that nobody asked about left as it was?"
    gated = ("unrelated",)
    headings: ClassVar[Mapping[str, str]] = {
        "drift": "drift, KL ↓",
        "top1": "top-1 agreement",
        "drift_system": "drift under system prompts, KL ↓",
        "top1_system": "top-1 agreement under system prompts",
        "unchanged": "unrelated answers unchanged",
        "unchanged_system": "the same under system prompts",
        "format": "wanted form kept",
        "format_base": "wanted form kept by the base model",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        prompts, systems = own_unrelated(), unseen_systems()
        under = tuple(said(prompts[place % len(prompts)], system=text) for place, text in enumerate(systems))
        forms = tuple(form.text for form in FORMATS)
        every = {"unrelated": tuple(said(text) for text in prompts), "system": under}
        unrelated = [Ask("unrelated", said(text), str(place)) for place, text in enumerate(prompts)]
        system = [Ask("system", chat, str(place)) for place, chat in enumerate(under)]
        wanted = [Ask("format", said(form.text), form.name) for form in FORMATS]
        some = {"unrelated": unrelated, "system": system, "format": wanted}

        def asks(item: Item) -> tuple[Ask, ...]:
            written = {kind: _turn(some[kind], item.index, number) for kind, number in ANSWERS.items()}
            told = []
            for kind, suffix in NEXT.items():
                few = tuple(int(ask.variant) for ask in written[kind])
                told.append(Ask(f"next{suffix}", how="next", chats=every[kind], few=few))
            return (*told, *(ask for part in written.values() for ask in part))

        cases = tuple(Case(item.id, State((fact(item),)), asks(item)) for item in chosen(sources, choice))
        return Plan(cases, (*prompts, *forms), settings={"drift_prompts": len(prompts), **ANSWERS})

    def marks(self, row: Record) -> dict[str, Mark]:
        kind = row["kind"]
        if kind in ("next", "next_system"):
            suffix = kind.removeprefix("next")
            kl, agrees = row["kl"], row["agrees"]
            return {f"drift{suffix}": sum(kl) / len(kl), f"top1{suffix}": sum(agrees) / len(agrees)}
        answer, base = row["answer"], row["base"]["answer"]
        if kind == "format":
            obeyed = BY_NAME[row["variant"]].obeyed
            return {"format": obeyed(answer), "format_base": obeyed(base)}
        return {"unchanged" if kind == "unrelated" else "unchanged_system": answer == base}

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """As ever, but next tokens count one by one, not by item."""
        found = averages(rows, seed)
        for suffix in NEXT.values():
            told = [row for row in rows if row["kind"] == f"next{suffix}"]
            found[f"drift{suffix}"] = intervals.mean([kl for row in told for kl in row["kl"]], seed)
            found[f"top1{suffix}"] = intervals.share([same for row in told for same in row["agrees"]])
        return found


def _turn(asks: Sequence[T], index: int, number: int) -> tuple[T, ...]:
    """`number` of the asks, another choice from item to item until all have had their turn."""
    number = min(number, len(asks))
    start = index * number % len(asks)
    return tuple((*asks, *asks)[start : start + number])


task = Drift()
