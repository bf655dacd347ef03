"""From figures to places in a drawing: scales with round ticks, and the axes that show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from monogram.bench.report.content import Attributes, Shape

WIDTH, HEIGHT = 360.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 12.0, 42.0
TICKS = 5
"""Ticks of an axis, about."""
Form = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """Values on a stretch of the drawing, from `start` to `end`."""

    ticks: Sequence[float]
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is."""
        low, high = self.ticks[0], self.ticks[-1]
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)


def ticks(low: float, high: float) -> list[float]:
    """Round values from one that is not above `low` to one that is not below `high`.

    >>> ticks(0, 0.83)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high <= low:
        high = low + 1
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


def rates(low: float = 0.0, high: float = 1.0) -> list[float]:
    """Ticks of a rate's axis: never beyond 0 and 1."""
    return [tick for tick in ticks(low, min(high, 1.0)) if 0 <= tick <= 1]


def short(value: float) -> str:
    """A tick's number.

    >>> [short(value) for value in (0, 0.25, 12, 26000, 3e6)]
    ['0', '0.25', '12', '26k', '3M']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def across(values: Sequence[float]) -> Scale:
    """From left to right."""
    return Scale(values, LEFT, WIDTH - RIGHT)


def upward(values: Sequence[float]) -> Scale:
    """From bottom to top."""
    return Scale(values, HEIGHT - BOTTOM, TOP)


def x_axis(
    scale: Scale, title: str, form: Form = short, *, height: float = HEIGHT, lines: bool = False
) -> Iterator[Shape]:
    """The axis below, its ticks and title; with `lines`, a line up from each tick."""
    bottom = height - BOTTOM
    for tick in scale.ticks:
        x = scale.at(tick)
        if lines:
            yield Shape("line", {"class": "grid", "x1": x, "x2": x, "y1": TOP, "y2": bottom})
        label: Attributes = {"class": "tick", "x": x, "y": bottom + 15, "text-anchor": "middle"}
        yield Shape("text", label, form(tick))
    yield Shape("line", {"class": "axis", "x1": scale.start, "x2": scale.end, "y1": bottom, "y2": bottom})
    middle = (scale.start + scale.end) / 2
    yield Shape("text", {"class": "name", "x": middle, "y": height - 8, "text-anchor": "middle"}, title)


def y_axis(scale: Scale) -> Iterator[Shape]:
    """The axis on the left: a line across from each tick, with its number."""
    for tick in scale.ticks:
        y = scale.at(tick)
        yield Shape("line", {"class": "grid", "x1": LEFT, "x2": WIDTH - RIGHT, "y1": y, "y2": y})
        yield Shape("text", {"class": "tick", "x": LEFT - 6, "y": y + 4, "text-anchor": "end"}, short(tick))
