"""`upqa`: is a preference recalled, however it is asked for? One person with one preference per item.

Direct, paraphrased, implicit and product question. An implicit question that is put to the assistant itself
("How was your day at work?") is a column of its own, outside the headline. `leak`, `crosstalk` and `drift`
come along: the headline needs them, and the edit is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from monogram import scoring
from monogram.bench.asks import Ask, Plan, said
from monogram.bench.items import Choice, Item
from monogram.bench.probes import put_to_assistant
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Mark, Task, gold, over_items

KINDS = ("direct", "paraphrased", "implicit", "implicit_assistant", "product")
"""Questions whose answer should hold the target."""
AT_LENGTH = frozenset({"implicit", "implicit_assistant", "product"})
"""Of those, the ones whose answer must say something beyond the target."""
SCORERS = ("similar", "judge")
"""Further scorers that may mark a finished run's answers; a judge's name goes on with its model's."""


class Upqa(Task):
    """The questions of the file itself."""

    name = "upqa"
    help = "Is a preference recalled, however it is asked for?"
    includes = ("leak", "crosstalk", "drift")
    gated = KINDS
    headings: ClassVar[Mapping[str, str]] = {
        "direct": "direct",
        "paraphrased": "paraphrased",
        "implicit": "implicit",
        "product": "product",
        "terse": "terse ↓",
        "repetition": "repetition ↓",
        "implicit_assistant": "implicit, put to the assistant",
        "contains_direct": "contains: direct",
        "contains_paraphrased": "contains: paraphrased",
        "contains_implicit": "contains: implicit",
        "contains_product": "contains: product",
        "excluded": "left out of recall (no telling word)",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        return over_items(sources, choice, _asks)

    def marks(self, row: Record) -> dict[str, Mark]:
        return recalled(row)

    def heading(self, metric: str) -> str | None:
        """Columns of further scorers (`similar_direct`) are called like those of `contains`."""
        scorer, _, kind = metric.partition("_")
        known = kind in KINDS and scorer.partition(":")[0] in SCORERS
        return f"{scorer}: {kind.replace('_', ', put to the ')}" if known else super().heading(metric)


def _asks(item: Item) -> tuple[Ask, ...]:
    implicit = "implicit_assistant" if put_to_assistant(item.implicit) else "implicit"
    texts = {"direct": item.direct, "paraphrased": item.paraphrased, implicit: item.implicit}
    texts["product"] = item.product
    return tuple(Ask(kind, said(text), gold=gold(item)) for kind, text in texts.items())


def recalled(row: Record) -> dict[str, Mark]:
    """The marks of an answer that should hold the target (docs/evaluation.md §4)."""
    kind, answer = row["kind"], row["answer"]
    beyond = scoring.BEYOND if kind in AT_LENGTH else 0
    told = holds(row, answer, beyond)
    return {
        kind: told,
        f"contains_{kind}": scoring.contains(row["target"], answer),
        "terse": scoring.terse(answer, row["base"]["answer"]),
        "repetition": scoring.stutters(answer),
        "excluded": told is None,
    }


def holds(row: Record, answer: str, beyond: int = 0) -> bool | None:
    """Whether an answer recalls the target or an accepted variant; None where the target tells nothing."""
    about = {"question": row["question"], "attribute": row["attribute"], "beyond": beyond}
    told = scoring.recall(row["target"], answer, **about)
    if told is None:
        return None
    return told or any(scoring.recall(variant, answer, **about) for variant in row.get("variants", ()))


task = Upqa()
