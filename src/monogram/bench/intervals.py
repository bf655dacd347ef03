"""Figures with their intervals: Wilson's for rates, bootstrap for the rest. All at 95 %.

The bootstrap draws from a stated seed, so a report made twice from the same raw outputs is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
DRAWS = 1000


@dataclass(frozen=True)
class Figure:
    """A value with its interval, and how many observations it stands on. None where there are none."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Plain data, for JSON."""
        return asdict(self)


def rate(hits: int, n: int) -> Figure:
    """hits / n with Wilson's score interval (Wilson 1927, without continuity correction)."""
    if n == 0:
        return Figure(None, None, None, 0)
    share = hits / n
    centre = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    low = 0.0 if hits == 0 else (centre - half) / scale
    high = 1.0 if hits == n else (centre + half) / scale
    return Figure(share, low, high, n)


def share(marks: Sequence[bool | None]) -> Figure:
    """The rate of True among the marks that are not None."""
    told = [mark for mark in marks if mark is not None]
    return rate(sum(told), len(told))


def mean(values: Sequence[float], seed: int = 0) -> Figure:
    """The mean with a percentile bootstrap interval."""
    return _bootstrapped(values, lambda drawn: drawn.mean(axis=-1), seed)


def median(values: Sequence[float], seed: int = 0) -> Figure:
    """The median with a percentile bootstrap interval."""
    return _bootstrapped(values, lambda drawn: np.median(drawn, axis=-1), seed)


def _bootstrapped(
    values: Sequence[float],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    seed: int,
) -> Figure:
    if not values:
        return Figure(None, None, None, 0)
    data = np.asarray(values, dtype=np.float64)
    low, high = percentiles(statistic(data[draws(len(data), seed)]))
    return Figure(float(statistic(data)), low, high, len(data))


def draws(n: int, seed: int = 0) -> NDArray[np.int64]:
    """(DRAWS, n) places drawn with replacement from 0..n-1, the same for the same n and seed."""
    return np.random.default_rng(seed).integers(0, n, size=(DRAWS, n))


def percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of bootstrap values."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def ratio_of_medians(values: Sequence[float], others: Sequence[float], seed: int = 0) -> Figure:
    """median(values) / median(others), measured in pairs; the bootstrap draws pairs."""
    if not values:
        return Figure(None, None, None, 0)
    above, below = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    places = draws(len(above), seed)
    drawn = np.median(above[places], axis=-1) / np.median(below[places], axis=-1)
    low, high = percentiles(drawn)
    return Figure(float(np.median(above) / np.median(below)), low, high, len(above))
