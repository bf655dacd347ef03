"""What a report is made of: sections of words, tables, charts, examples. Plain data; `page.py` writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from monogram.bench.intervals import Figure
from monogram.bench.report.runs import Entry
from monogram.bench.report.tables import parts


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell: a value, and what it rests on, smaller."""

    text: str
    interval: str = ""
    n: str = ""

    @property
    def line(self) -> str:
        """All of it on one line."""
        return " ".join(part for part in (self.text, self.interval, self.n) if part)


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading. One that comes `first` stands above the charts, one
    that is `aside` is folded up below.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    first: bool = False
    aside: bool = False


Attributes = Mapping[str, str | float]


@dataclass(frozen=True)
class Shape:
    """An SVG element."""

    tag: str
    attributes: Attributes
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing with what it says in words.

    Attributes:
        name: unique in a report.
        title: above it.
        told: what is drawn, for those who do not see it; the figures themselves stand in a table.
        legend: names of the series, in the order of their styles; empty where names stand in the drawing.
    """

    name: str
    title: str
    told: str
    width: float
    height: float
    shapes: Sequence[Shape]
    legend: Sequence[str] = ()


@dataclass(frozen=True)
class Example:
    """An answer as it was given."""

    method: str
    column: str
    won: bool
    item: str
    question: str
    target: str
    answer: str
    base: str


@dataclass(frozen=True)
class Section:
    """A part of a report, under a heading."""

    name: str
    title: str
    text: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    examples: Sequence[Example] = ()
    points: Sequence[tuple[str, str]] = ()
    """(what, fact)."""

    @property
    def columns(self) -> list[tuple[str, list[Example]]]:
        """The examples, column by column, in their order."""
        return [(name, list(some)) for name, some in groupby(self.examples, lambda one: one.column)]


def figure_cell(metric: str, figure: Figure | None) -> Cell:
    """A figure as summary.md shows it."""
    return Cell(*parts(metric, figure))


def by_entry(caption: str, entries: Sequence[Entry], columns: Mapping[str, str]) -> Table:
    """A row for each entry, a column for each metric that one of them has.

    Args:
        columns: metric -> heading.
    """
    there = {metric: heading for metric, heading in columns.items() if _held(entries, metric)}
    rows = [
        [Cell(entry.name), *(figure_cell(metric, entry.figures.get(metric)) for metric in there)]
        for entry in entries
    ]
    return Table(caption, ["method", *there.values()], rows)


def by_metric(caption: str, entries: Sequence[Entry], rows: Mapping[str, str]) -> Table:
    """A row for each metric that an entry has, a column for each entry."""
    told = [
        [Cell(heading), *(figure_cell(metric, entry.figures.get(metric)) for entry in entries)]
        for metric, heading in rows.items()
        if _held(entries, metric)
    ]
    return Table(caption, ["", *(entry.name for entry in entries)], told)


def _held(entries: Sequence[Entry], metric: str) -> bool:
    return any(e.figures[metric].value is not None for e in entries if metric in e.figures)
