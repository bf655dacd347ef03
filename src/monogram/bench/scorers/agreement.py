"""How far scorers agree, with each other and with people: raw, and by Cohen's kappa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from monogram.bench.intervals import Figure, share
from monogram.bench.scorers.case import Mark
from monogram.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """Of two scorers, on the answers that both marked.

    Attributes:
        raw: share of equal marks, with Wilson's interval.
        kappa: Cohen's (1960): the share beyond chance; 1 is all, 0 is chance. None where chance alone would
            agree on everything (both always give the same one mark), and where nothing was marked.
        yes_no, no_yes: answers that only the first, and only the second, calls right.
    """

    raw: Figure
    kappa: float | None
    yes_no: int
    no_yes: int


def agreement(first: Sequence[Mark], second: Sequence[Mark]) -> Agreement:
    """How far two scorers agree. An answer that one of them left out (None) does not count.

    Raises:
        InputError: unlike numbers of marks.
    """
    if len(first) != len(second):
        raise InputError(
            f"Agreement is about the same answers, but there are {len(first)} marks and {len(second)}."
        )
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    raw = share([a == b for a, b in both])
    if raw.value is None:
        return Agreement(raw, None, 0, 0)
    n = len(both)
    yes, yes_too = sum(a for a, _ in both) / n, sum(b for _, b in both) / n
    chance = yes * yes_too + (1 - yes) * (1 - yes_too)
    kappa = (raw.value - chance) / (1 - chance) if chance < 1 else None
    return Agreement(raw, kappa, both.count((True, False)), both.count((False, True)))


def agreements(marks: Mapping[str, Sequence[Mark]]) -> dict[tuple[str, str], Agreement]:
    """Each pair of scorers, by name, in the order in which they are given."""
    return {(a, b): agreement(marks[a], marks[b]) for a, b in combinations(marks, 2)}
