"""Who is ahead of whom: entries that were asked the same, column by column, and by the score.

One is ahead of another where its score is higher, by more than the paired bootstrap's interval, and no column
is significantly lower (McNemar's exact test, p < 0.05, not corrected for how many columns there are).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from monogram.bench import comparison, intervals
from monogram.bench.comparison import Paired
from monogram.bench.headline import HEADLINE, TASKS, UNWANTED, by_item, drawn_scores
from monogram.bench.raw import Record
from monogram.bench.report.runs import Entry

ALPHA = 0.05


@dataclass(frozen=True)
class Duel:
    """One entry against another, where both were asked the same.

    Attributes:
        score: difference of the scores, with its interval; None where one of them has none.
        columns: of the headline -> paired test, of what is wanted (of leak: that there is none).
    """

    first: str
    second: str
    score: tuple[float, float, float] | None
    columns: Mapping[str, Paired]

    @property
    def won(self) -> list[str]:
        """Columns that are significantly higher."""
        return [name for name, told in self.columns.items() if _sure(told) and told.wins > told.losses]

    @property
    def lost(self) -> list[str]:
        """Columns that are significantly lower."""
        return [name for name, told in self.columns.items() if _sure(told) and told.wins < told.losses]

    @property
    def ahead(self) -> bool:
        """See the module."""
        return self.score is not None and self.score[1] > 0 and not self.lost


def duels(entries: Sequence[Entry]) -> list[Duel]:
    """Each entry against each other one, both ways round."""
    good = {entry.name: _good(entry) for entry in entries}
    return [_duel(a, b, good[a.name], good[b.name]) for a, b in permutations(entries, 2)]


Good = Mapping[str, Mapping[tuple[object, ...], bool | None]]


def _duel(first: Entry, second: Entry, good: Good, other: Good) -> Duel:
    columns = {}
    for name in HEADLINE:
        places = [place for place in good[name] if place in other[name]]
        told = comparison.rates(
            [good[name][place] for place in places], [other[name][place] for place in places], first.run.seed
        )
        if told.n:
            columns[name] = told
    return Duel(first.name, second.name, _difference(first, second), columns)


def _difference(first: Entry, second: Entry) -> tuple[float, float, float] | None:
    """Of the scores on the items that both were asked about, every draw of the same items."""
    if "score" not in first.figures or "score" not in second.figures:
        return None
    found = difference(first.rows, second.rows, first.run.seed)
    return None if found is None else (found[0], *intervals.percentiles(found[1]))


def difference(
    first: Sequence[Record], second: Sequence[Record], seed: int = 0
) -> tuple[float, NDArray[np.float64]] | None:
    """By how much one score is above another on the items that both have rows of, and in each draw of these
    items; None where one has no score.
    """
    kept = [[row for row in rows if row["task"] in TASKS] for rows in (first, second)]
    both = set.intersection(*({row["item"] for row in rows} for rows in kept))
    told = [drawn_scores(by_item([row for row in rows if row["item"] in both]), seed) for rows in kept]
    (value, drawn), (base, others) = told
    return None if value is None or base is None else (value - base, drawn - others)


def _headline(entry: Entry) -> list[Record]:
    return [row for row in entry.rows if row["task"] in TASKS]


def _good(entry: Entry) -> Good:
    """Column -> what was asked -> whether it went as wanted."""
    found: dict[str, dict[tuple[object, ...], bool | None]] = {name: {} for name in HEADLINE}
    for row in _headline(entry):
        place = tuple(row[part] for part in ("seed", "task", "item", "kind", "variant"))
        place = (*place, row.get("question"), row.get("target"))
        if row["task"] == "drift" and row["kind"] == "next":
            found["top1"] |= {(*place, i): same for i, same in enumerate(row["agrees"])}
        for name, mark in row["scores"].items():
            if name in HEADLINE and name != "top1":
                found[name][place] = mark if mark is None else mark == (name not in UNWANTED)
    return found


def _sure(told: Paired) -> bool:
    return told.p is not None and told.p < ALPHA
