"""Charts as shapes: curves, points in a plane, intervals in rows. A series is told by colour and by mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monogram.bench.intervals import Figure
from monogram.bench.report import axes
from monogram.bench.report.axes import HEIGHT, LEFT, RIGHT, TOP, WIDTH
from monogram.bench.report.content import Attributes, Chart, Shape

COLOURS = 8
"""Of the style sheet; after so many series they come again, with another mark."""
ROW = 26.0
NAMES = 132.0
"""Room for the names of rows."""
LONGEST = 18
"""Letters of a name that fit there."""


def curves(
    name: str, title: str, told: str, x: str, series: Mapping[str, Mapping[int, Figure]], *, rate: bool = True
) -> Chart:
    """A line for each series over its numbers, evenly spread, with intervals.

    Args:
        x: what the numbers are.
        series: name -> number -> figure.
        rate: whether the figures are shares of one.
    """
    numbers = sorted({number for points in series.values() for number in points})
    ends = [top(figure) for points in series.values() for figure in points.values()]
    up = axes.upward(axes.rates() if rate else axes.ticks(0, max(ends)))
    over = axes.Scale([0, max(len(numbers) - 1, 1)], LEFT + 12, WIDTH - RIGHT - 10)
    at = {number: over.at(place) for place, number in enumerate(numbers)}
    shapes = [*axes.y_axis(up)]
    for number, place in at.items():
        label: Attributes = {
            "class": "tick",
            "x": place,
            "y": HEIGHT - axes.BOTTOM + 15,
            "text-anchor": "middle",
        }
        shapes.append(Shape("text", label, str(number)))
    shapes += axes.x_axis(axes.Scale([], LEFT, WIDTH - RIGHT), x)
    for style, points in enumerate(series.values()):
        there = [(at[number], points[number]) for number in sorted(points)]
        shapes += _curve(style, there, up, apart=3.0 * (style - (len(series) - 1) / 2))
    return Chart(name, title, told, WIDTH, HEIGHT, shapes, tuple(series))


def plane(
    name: str,
    title: str,
    told: str,
    x: str,
    points: Mapping[str, tuple[Figure, Figure]],
    frontier: Sequence[str],
) -> Chart:
    """A point for each name, both its figures rates with their intervals; a line joins the frontier."""
    over = axes.across(axes.rates(0, max(top(first) for first, _ in points.values())))
    up = axes.upward(axes.rates())
    at = {n: (over.at(value(a)), up.at(value(b))) for n, (a, b) in points.items()}
    shapes = [*axes.y_axis(up), *axes.x_axis(over, x)]
    path = " ".join(f"{at[n][0]},{at[n][1]}" for n in frontier)
    shapes.append(Shape("polyline", {"class": "frontier", "points": path}))
    for style, (n, (a, b)) in enumerate(points.items()):
        shapes += _whisker(style, (over.at(value(a, low=True)), over.at(top(a))), at[n][1], flat=True)
        shapes += _whisker(style, (up.at(value(b, low=True)), up.at(top(b))), at[n][0])
        shapes.append(mark(style, *at[n]))
    return Chart(name, title, told, WIDTH, HEIGHT, shapes, tuple(points))


def rows(
    name: str, title: str, told: str, x: str, figures: Mapping[str, Figure], *, rate: bool = True
) -> Chart:
    """A row for each name: its figure and interval."""
    height = TOP + ROW * len(figures) + axes.BOTTOM
    ends = [top(figure) for figure in figures.values()]
    scale = axes.Scale(axes.rates() if rate else axes.ticks(0, max(ends)), NAMES, WIDTH - RIGHT)
    shapes = [*axes.x_axis(scale, x, height=height, lines=True)]
    for place, (n, figure) in enumerate(figures.items()):
        y = TOP + ROW * (place + 0.5)
        shapes.append(_row_name(n, y))
        shapes += _whisker(place, (scale.at(value(figure, low=True)), scale.at(top(figure))), y, flat=True)
        shapes.append(mark(place, scale.at(value(figure)), y))
    return Chart(name, title, told, WIDTH, height, shapes)


def strips(name: str, title: str, told: str, x: str, values: Mapping[str, Sequence[float]]) -> Chart:
    """A row for each name: a stroke for each of its values, one where several fall on one place."""
    height = TOP + ROW * len(values) + axes.BOTTOM
    every = [one for some in values.values() for one in some]
    scale = axes.Scale(axes.ticks(min(0.0, *every), max(1.0, *every)), NAMES, WIDTH - RIGHT)
    shapes = [*axes.x_axis(scale, x, height=height, lines=True)]
    for place, (n, some) in enumerate(values.items()):
        y = TOP + ROW * (place + 0.5)
        shapes.append(_row_name(n, y))
        for at in dict.fromkeys(map(scale.at, some)):
            line: Attributes = {"class": "stroke s0", "x1": at, "x2": at, "y1": y - 8, "y2": y + 8}
            shapes.append(Shape("line", line))
    return Chart(name, title, told, WIDTH, height, shapes)


def mark(style: int, x: float, y: float) -> Shape:
    """The mark of a series: circle, square, triangle, diamond, in its colour."""
    forms = {
        0: f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
        1: f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
        2: f"M{x:.1f} {y - 5.5:.1f}l5.2 9.5h-10.4z",
        3: f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z",
    }
    form = forms[(style + style // COLOURS) % len(forms)]
    return Shape("path", {"class": f"mark s{style % COLOURS}", "d": form})


def value(figure: Figure, *, low: bool = False) -> float:
    """A figure's value, or the lower end of its interval where it has one."""
    found = figure.low if low and figure.low is not None else figure.value
    return 0.0 if found is None else found


def top(figure: Figure) -> float:
    """The upper end of a figure's interval, else its value."""
    return value(figure) if figure.high is None else figure.high


def _curve(
    style: int, points: Sequence[tuple[float, Figure]], up: axes.Scale, apart: float
) -> Iterator[Shape]:
    """A line and its marks; whiskers stand a little apart, so that those of other series can be seen."""
    path = " ".join(f"{x + apart:.1f},{up.at(value(figure))}" for x, figure in points)
    yield Shape("polyline", {"class": f"line s{style % COLOURS}", "points": path})
    for x, figure in points:
        yield from _whisker(style, (up.at(value(figure, low=True)), up.at(top(figure))), x + apart)
        yield mark(style, x + apart, up.at(value(figure)))


def _whisker(style: int, ends: tuple[float, float], at: float, *, flat: bool = False) -> Iterator[Shape]:
    along, beside = ("x", "y") if flat else ("y", "x")
    if ends[0] != ends[1]:
        place = {f"{along}1": ends[0], f"{along}2": ends[1], f"{beside}1": at, f"{beside}2": at}
        yield Shape("line", {"class": f"whisker s{style % COLOURS}", **place})


def _row_name(name: str, y: float) -> Shape:
    """A row's name, cut where there is no room; the table beside it has it whole."""
    shown = name if len(name) <= LONGEST else f"…{name[-LONGEST + 1 :]}"
    return Shape("text", {"class": "row", "x": NAMES - 8, "y": y + 4, "text-anchor": "end"}, shown)
