"""`sizes`: the personalization paper's core claim, that a cluster of phrasings beats a single one.

Every editor trains on just the file's own questions, 1, 3, 5 or 9 of them, with one target for all or a
wording of its own for each (arXiv 2512.13676). The original question comes first, so it always trains: the
answer to it is in the summary as `trained` and not in the curve, whose questions are the others of the
record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import Fact, State, fact
from monogram.bench.items import Choice, Item
from monogram.bench.probes import leak_questions, put_to_assistant
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, chosen, gold
from monogram.bench.tasks.leak import fresh
from monogram.bench.tasks.upqa import AT_LENGTH, holds
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand_from_lists
from monogram.scoring import BEYOND

SIZES = (1, 3, 5, 9)
MODES: tuple[Literal["same", "different"], ...] = ("same", "different")
HEADS = {
    "sizes_{}_{}": "recalled, {1} of the questions, {0} target",
    "sizes_{}_leak_{}": "leak, {1} of the questions, {0} target ↓",
}


class Sizes(Task):
    """Paraphrased, implicit and product question, and somebody else's."""

    name = "sizes"
    help = "Does a cluster of more phrasings recall more, and does it leak more?"
    headings: ClassVar[Mapping[str, str]] = {
        name.format(mode, size): head.format(mode, size)
        for name, head in HEADS.items()
        for mode in MODES
        for size in SIZES
        if size > 1 or mode == "same"
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        cases: list[Case] = []
        skipped: list[tuple[str, str]] = []
        texts = tuple(ask.question for item in sources.items.items for ask in _evaluated(item))
        bars = Cluster(fact(sources.items.items[0]).preference, (), (), (), (), "").without(texts)
        for item in chosen(sources, choice):
            whole = _trainable(item, bars)
            for size in SIZES:
                if len(whole.questions) < size:
                    why = f"{len(whole.questions)} questions can train, not {size}."
                    skipped.append((f"{item.id}:{size}", why))
                else:
                    cases += _cases(item, whole, size)
        return Plan(tuple(cases), texts, tuple(skipped))

    def marks(self, row: Record) -> dict[str, Mark]:
        kind, mode, size = row["kind"], row["mode"], row["size"]
        if kind == "leak":
            return {f"sizes_{mode}_leak_{size}": fresh(row)}
        told = holds(row, row["answer"], BEYOND if kind in AT_LENGTH else 0)
        found: dict[str, Mark] = {f"sizes_{mode}_{kind}_{size}": told}
        if kind in ("paraphrased", "implicit", "product"):
            found[f"sizes_{mode}_{size}"] = told
        return found


def _evaluated(item: Item) -> Iterator[Ask]:
    """What is asked beside the question that trains."""
    implicit = "implicit_assistant" if put_to_assistant(item.implicit) else "implicit"
    texts = {"paraphrased": item.paraphrased, implicit: item.implicit, "product": item.product}
    for kind, text in texts.items():
        yield Ask(kind, said(text))
    for who, text in leak_questions(item).items():
        yield Ask("leak", said(text), who)


def _trainable(item: Item, bars: Cluster) -> Fact:
    """The item's preference with the questions of its list that may train, the original first."""
    lists = list(zip(item.attributes, item.questions, item.targets, strict=True))
    lists = lists or [(item.attribute, item.direct, item.target)]
    found: dict[str, tuple[str, str, str]] = {}
    for entry in (*lists[-1:], *lists[:-1]):
        [asked] = expand_from_lists(fact(item).preference, entry[:1], entry[1:2]).train
        if bars.allows(asked.text):
            found.setdefault(asked.text.casefold(), entry)
    attributes, questions, targets = zip(*found.values(), strict=True) if found else ((), (), ())
    return replace(fact(item), attributes=attributes, questions=questions, targets=targets)


def _cases(item: Item, whole: Fact, size: int) -> Iterator[Case]:
    """One case for each way to choose targets; a single question has one way."""
    for mode in MODES if size > 1 else MODES[:1]:
        part = {name: getattr(whole, name)[:size] for name in ("attributes", "questions", "targets")}
        known = replace(whole, id=f"{whole.id}:{size} {mode}", exactly=mode, **part)
        told = {**gold(item), "variants": sorted({*item.targets, *item.variants} - {item.target})}
        told |= {"size": size, "mode": mode}
        asks = (Ask("trained", said(item.direct)), *_evaluated(item))
        asked = tuple(replace(ask, variant=f"{size} {mode} {ask.variant}".strip(), gold=told) for ask in asks)
        yield Case(item.id, State((known,)), asked)


task = Sizes()
