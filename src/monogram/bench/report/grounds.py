"""Sections about what the figures rest on: how far scorers agree, how it was run, what was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monogram.bench.intervals import share
from monogram.bench.report import tables
from monogram.bench.report.content import Cell, Section, Table, figure_cell
from monogram.bench.report.runs import Entry, Run
from monogram.bench.report.tables import facts, why
from monogram.bench.scorers.marks import by_scorer, errors, scored, scorers

UNENDED = "This run has not ended: the figures are of what is there so far."


def agreement(entries: Sequence[Entry]) -> Iterator[Section]:
    """What each scorer says of the same answers, and how far they agree."""
    rows = [row for entry in entries for row in scored(entry.rows)]
    if not rows:
        return
    names = list(dict.fromkeys(name for entry in entries for name in scorers(entry.run.scores)))
    each = []
    for entry in entries:
        marks = by_scorer(scored(entry.rows), names)
        each.append([Cell(entry.name), *(figure_cell("direct", share(told)) for told in marks.values())])
    head, *told = tables.agreement(by_scorer(rows, names))
    pairs = Table("How far scorers agree", head, [[Cell(text) for text in row] for row in told])
    both = [Table("Answers called right", ["method", *marks], each), pairs]
    failed = {
        name: sum(errors(scored(entry.rows), entry.run.scores, name) for entry in entries) for name in names
    }
    points = [(name, f"{count} errors, which are no verdicts") for name, count in failed.items() if count]
    text = [
        (
            "Share of the answers of upqa that each scorer calls right, all questions together, and how far "
            "two scorers agree on the answers that both marked (kappa: beyond chance)."
        )
    ]
    if not names:
        text.append("Further scorers have not been run (monogram bench score DIR --scorers similar,judge).")
    yield Section("scorers", "Agreement between scorers", text, tables=both, points=points)


def how(runs: Sequence[Run]) -> Iterator[Section]:
    """Commands, digests, seeds, machine, dates."""
    for place, run in enumerate(runs):
        told = list(facts(run.info).items())
        if not run.ended:
            told.insert(0, ("state", UNENDED))
        title = "How it was run" if len(runs) == 1 else f"How {run.name} was run"
        text = ("Digests are the first twelve letters of a sha256; manifest.json has them whole.",)
        yield Section(f"how-{place}", title, text, points=told)


def left_out(runs: Sequence[Run]) -> Iterator[Section]:
    """What was not run, and why."""
    several = len(runs) > 1
    told = [(run.name if several else "", why(entry)) for run in runs for entry in run.skipped]
    held = any(row.get("gate") is not None for run in runs for row in run.rows)
    if not held:
        told.append(("", "gates: the rows of this run hold none, so there is no plot of them."))
    yield Section("left-out", "What was not run", points=told)
