"""Paired tests between two methods that were asked the same: is the difference more than chance?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monogram.bench.intervals import DRAWS, draws, percentiles
from monogram.bench.paired import mcnemar
from monogram.errors import InputError

T = TypeVar("T")
EXACT = 14
"""Up to so many differences, all of the 2^n sign flips are looked at."""
FLIPS = 10 * DRAWS
"""Sign flips that are drawn where there are more differences."""


@dataclass(frozen=True)
class Paired:
    """One method less another, on the same items. None where there are no pairs.

    Attributes:
        difference: of the means (of the rates).
        low, high: its percentile bootstrap interval at 95 %, over pairs.
        p: two-sided; how often chance alone makes a difference as large.
        wins, losses: pairs in which the first is above, and below.
        n: pairs.
    """

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    wins: int
    losses: int
    n: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Plain data, for JSON."""
        return asdict(self)


def rates(first: Sequence[bool | None], second: Sequence[bool | None], seed: int = 0) -> Paired:
    """Of two methods' marks, by McNemar's test in its exact form: the binomial test of wins against losses.

    A pair with a None in it does not count.

    Source: McNemar 1947; its exact form, conditional on the pairs that differ.

    Raises:
        InputError: unlike numbers of marks.
    """
    both = [(a, b) for a, b in _pairs(first, second) if a is not None and b is not None]
    differences = np.array([float(a) - float(b) for a, b in both])
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return _paired(differences, mcnemar(wins, losses), seed)


def means(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Paired:
    """Of two methods' values, by a sign-flip permutation test of the mean difference.

    Exact (every flip) up to 14 differences that are not zero; else 10,000 flips are drawn, and the observed
    one counts among them, so that p is never 0 (Phipson and Smyth 2010).

    Raises:
        InputError: unlike numbers of values.
    """
    differences = np.array([a - b for a, b in _pairs(first, second)], dtype=np.float64)
    return _paired(differences, flipped(differences[differences != 0], seed), seed)


def flipped(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Two-sided p of a sum this far from zero where every sign is equally likely."""
    n = len(differences)
    observed = float(abs(differences.sum()))
    if n <= EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n))).reshape(2**n, n)
    else:
        signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(FLIPS, n))
    near = 1e-9 * float(np.abs(differences).sum())  # rounding must not part what is equal
    extreme = int((np.abs(signs @ differences) >= observed - near).sum())
    return extreme / 2**n if n <= EXACT else (extreme + 1) / (FLIPS + 1)


def _paired(differences: NDArray[np.float64], p: float, seed: int) -> Paired:
    n = len(differences)
    if n == 0:
        return Paired(None, None, None, None, 0, 0, 0)
    low, high = percentiles(differences[draws(n, seed)].mean(axis=-1))
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return Paired(float(differences.mean()), low, high, p, wins, losses, n)


def _pairs(first: Sequence[T], second: Sequence[T]) -> list[tuple[T, T]]:
    if len(first) != len(second):
        raise InputError(
            f"A paired test needs the same items on both sides, but there are {len(first)} and "
            f"{len(second)}. Run both methods on the same items."
        )
    return list(zip(first, second, strict=True))
