"""The headline `score` (docs/evaluation.md §5): one number that no single trick can win."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monogram.bench import intervals
from monogram.bench.intervals import Figure
from monogram.bench.raw import Record

HEADLINE = ("direct", "paraphrased", "implicit", "product", "leak", "crosstalk", "top1")
"""What the score is the harmonic mean of; of leak and crosstalk, the share that is free of it."""
TASKS = ("upqa", "leak", "crosstalk", "drift")
UNWANTED = ("leak", "crosstalk")

Marks = Mapping[str, Sequence[bool | None]]


def by_item(rows: Sequence[Record]) -> list[Marks]:
    """Item by item, the marks of each column, from one method's rows of `TASKS`."""
    items: dict[str, dict[str, list[bool | None]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["task"] == "drift" and row["kind"] == "next":
            items[row["item"]]["top1"] += row["agrees"]
        elif row["task"] in TASKS:
            for column, mark in row["scores"].items():
                if column in HEADLINE:
                    items[row["item"]][column].append(mark)
    return [items[item] for item in sorted(items)]


def score(items: Sequence[Marks], seed: int = 0) -> Figure:
    """The harmonic mean of seven rates, each (k + 1) / (n + 2).

    Args:
        items: per item, column -> marks. A column without a single mark in all items (a run without drift) is
            left out of the mean.

    Returns:
        The score with a bootstrap interval over items; n is the number of items.
    """
    value, drawn = drawn_scores(items, seed)
    if value is None:
        return Figure(None, None, None, 0)
    return Figure(value, *intervals.percentiles(drawn), len(items))


def drawn_scores(items: Sequence[Marks], seed: int = 0) -> tuple[float | None, NDArray[np.float64]]:
    """The score, and those of the bootstrap's draws; of two methods on the same items, draw by draw on the
    same ones. None where nothing was marked.
    """
    good = np.zeros((len(items), len(HEADLINE)))
    asked = np.zeros_like(good)
    for row, item in enumerate(items):
        for column, name in enumerate(HEADLINE):
            told = [mark for mark in item.get(name, ()) if mark is not None]
            good[row, column] = sum(mark == (name not in UNWANTED) for mark in told)
            asked[row, column] = len(told)
    there = asked.sum(axis=0) > 0
    if not there.any():
        return None, np.zeros(0)
    good, asked = good[:, there], asked[:, there]
    places = intervals.draws(len(items), seed)
    drawn = _harmonic(good[places].sum(axis=1), asked[places].sum(axis=1))
    return float(_harmonic(good.sum(axis=0), asked.sum(axis=0))), drawn


def _harmonic(good: NDArray[np.float64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Harmonic mean over the last axis of the smoothed rates."""
    smoothed = (good + 1) / (asked + 2)
    mean: NDArray[np.float64] = smoothed.shape[-1] / (1 / smoothed).sum(axis=-1)
    return mean
