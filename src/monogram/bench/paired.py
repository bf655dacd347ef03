"""Two methods on the same questions: who won what the other lost."""

from __future__ import annotations

import math
from collections.abc import Iterable


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p of McNemar's test (1947): were flips one way as likely as the other?

    Args:
        gained: pairs that were wrong before and are right now.
        lost: pairs that were right before and are wrong now.
    """
    flips = gained + lost
    tail = sum(math.comb(flips, k) for k in range(min(gained, lost) + 1))
    return float(min(1.0, 2 * tail / 2**flips))


def flips(pairs: Iterable[tuple[bool, bool]]) -> tuple[int, int]:
    """(gained, lost) of (before, now) pairs."""
    told = list(pairs)
    return sum(now and not before for before, now in told), sum(before and not now for before, now in told)
