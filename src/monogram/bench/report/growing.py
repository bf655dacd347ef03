"""Sections about what happens as something grows: preferences, turns, people in a batch; and about cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from monogram.bench.intervals import Figure
from monogram.bench.report import charts
from monogram.bench.report.content import Cell, Chart, Section, Table, by_entry, figure_cell
from monogram.bench.report.runs import Entry
from monogram.bench.report.tables import LAST

NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>\d+)")
PREFERENCES = "preferences of one person"
TURNS = "unrelated turns before the question"
MULTITURN = {
    "multiturn": "recalled",
    "told": "recalled where the user said it in the first turn",
    "multiturn_choice": "right option likeliest",
    "told_choice": "right option likeliest where the user said it",
    "multiturn_violation": "violation ↓",
    "told_violation": "violation where the user said it ↓",
}
SIZES = {
    "sizes_same": "recalled, one target for all questions",
    "sizes_different": "recalled, a wording of the target for each question",
    "sizes_same_leak": "leak, one target for all questions ↓",
    "sizes_different_leak": "leak, a wording of the target for each question ↓",
}
COST = {
    "first_token": "seconds to the first token ↓",
    "prompt_tokens": "prompt tokens added ↓",
    "bytes": "bytes of a person ↓",
}
WHOLE = ("seconds_per_preference", "extra_memory", "prompt_tokens", "rank", "nbytes")
"""What one preference costs."""
EVENLY = "The numbers below a chart stand evenly apart, whatever lies between them."
CAPABILITY_NOTE = (
    "The same questions before and after: gained are those that only the changed model gets right, lost "
    "those that only the base model does; p is McNemar's exact one."
)


def retention(entries: Sequence[Entry]) -> Iterator[Section]:
    """Recall of one person's preferences as they grow in number."""
    stems = {"retention": "recalled", "retention_other": "answered with another target of this person ↓"}
    parts = _parts(entries, stems, PREFERENCES)
    if parts[0]:
        text = (f"Every preference is asked about after all of them are in. {EVENLY}",)
        yield Section("retention", "Retention", text, *parts)


def sizes(entries: Sequence[Entry]) -> Iterator[Section]:
    """Recall and leak as a preference's cluster grows."""
    parts = _parts(entries, SIZES, "questions that a preference is edited by")
    if parts[0]:
        text = (f"Only the file's own questions train, the original first. {EVENLY}",)
        yield Section("sizes", "Cluster size", text, *parts)


def multiturn(entries: Sequence[Entry]) -> Iterator[Section]:
    """Whether a preference still counts after other talk."""
    parts = _parts(entries, MULTITURN, TURNS)
    if parts[0]:
        yield Section("multiturn", "After other talk", (EVENLY,), *parts)


def cost(entries: Sequence[Entry]) -> Iterator[Section]:
    """Seconds, bytes, prompt tokens, time to the first token."""
    drawn, tables = _parts(entries, COST, PREFERENCES, rate=False)
    more = _parts(entries, {"tokens_per_second": "tokens per second"}, "people in a batch", rate=False)
    columns = {name: LAST[name] for name in WHOLE}
    whole = by_entry("Cost of a preference", entries, columns)
    if len(whole.head) > 1:
        text = (f"Times are of the machine named below, and of nothing else. {EVENLY}",)
        yield Section("cost", "Cost", text, [*drawn, *more[0]], [whole, *tables, *more[1]])


def capability(entries: Sequence[Entry]) -> Iterator[Section]:
    """Flips of what the model could do before."""
    rows, series = [], {}
    for entry in entries:
        found = entry.figures
        exams = dict.fromkeys(row["kind"] for row in entry.of("capability"))
        for exam in exams:
            stem = f"perplexity_{exam}" if f"perplexity_{exam}_0" in found else exam
            sizes = sorted(_numbered(found, stem))
            if stem == exam and sizes:
                series[f"{entry.name}: {exam}"] = {size: found[f"{stem}_{size}"] for size in sizes}
            rows += [_flipped(entry, stem, size) for size in sizes if size]
    if rows:
        head = ["method", "exam", "preferences", "before", "after", "gained", "lost", "p"]
        told = "Share of right answers with so many preferences in; 0 is the base model."
        drawn = charts.curves("capability", "Right answers", told, PREFERENCES, series) if series else None
        table = Table("Before and after", head, rows)
        yield Section("capability", "Capability", (CAPABILITY_NOTE,), [drawn] if drawn else [], [table])


def _flipped(entry: Entry, stem: str, size: int) -> list[Cell]:
    found, name = entry.figures, f"{stem}_{size}"
    told = [figure_cell(metric, found.get(metric)) for metric in (f"{stem}_0", name)]
    p = found.get(f"{name}_p")
    flips = [found.get(f"{name}_{way}") for way in ("gained", "lost")]
    counts = [Cell("–" if f is None or f.value is None else str(round(f.value * f.n))) for f in flips]
    shown = Cell("–" if p is None or p.value is None else f"{p.value:.2g}")
    return [Cell(entry.name), Cell(stem.replace("_", " ")), Cell(str(size)), *told, *counts, shown]


def _parts(
    entries: Sequence[Entry], stems: Mapping[str, str], x: str, *, rate: bool = True
) -> tuple[list[Chart], list[Table]]:
    """A chart and a table for each family of metrics (`stem_NUMBER`) that is there."""
    drawn, tables = [], []
    for stem, title in stems.items():
        series = {entry.name: _numbered(entry.figures, stem) for entry in entries}
        series = {name: points for name, points in series.items() if points}
        if series:
            told = f"{title.removesuffix(' ↓').capitalize()}, over the number of {x}; a line for each method."
            drawn.append(charts.curves(stem.replace("_", "-"), title, told, x, series, rate=rate))
            tables.append(_numbers(f"{title}, by {x}", stem, series))
    return drawn, tables


def _numbers(caption: str, stem: str, series: Mapping[str, Mapping[int, Figure]]) -> Table:
    numbers = sorted({number for points in series.values() for number in points})
    rows = [
        [Cell(name), *(figure_cell(f"{stem}_{number}", points.get(number)) for number in numbers)]
        for name, points in series.items()
    ]
    return Table(caption, ["method", *map(str, numbers)], rows)


def _numbered(figures: Mapping[str, Figure], stem: str) -> dict[int, Figure]:
    """Number -> figure, of the metrics `stem_NUMBER` that have a value."""
    found = {}
    for metric, figure in figures.items():
        told = NUMBERED.fullmatch(metric)
        if told and told["stem"] == stem and figure.value is not None:
            found[int(told["number"])] = figure
    return found
