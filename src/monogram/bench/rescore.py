"""Further scorers over the answers of a finished run, which is not run again: `similar` and `judge`, by name.

Their marks stand in scores.jsonl beside raw.jsonl, a judge's verdicts in verdicts.jsonl, too, so that none is
paid for twice. What is marked already is not marked again; answers without a mark (errors) are tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monogram.bench.raw import Record
from monogram.bench.report.runs import Run, folders
from monogram.bench.scorers.agreement import agreements
from monogram.bench.scorers.judge import TASK, Judge
from monogram.bench.scorers.marks import FILE, by_scorer, case, errors, left, mark, scored, scorers, write
from monogram.bench.scorers.similar import Encoder, Similar
from monogram.bench.summary import write_summary
from monogram.crew import Progress
from monogram.endpoint import Line
from monogram.errors import InputError, unknown
from monogram.journal import Journal

NAMES = ("similar", "judge")
VERDICTS = "verdicts.jsonl"
LETTERS = 4
"""Letters of a token, about."""
SAID = 8
"""Tokens of a verdict, about."""


@dataclass(frozen=True)
class Bill:
    """About what judging will cost: answers to judge, tokens in and out."""

    answers: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Judging:
    """How answers are judged: an open line, and how many at the same time."""

    line: Line
    at_once: int


def named(names: Sequence[str]) -> list[str]:
    """Names of scorers, checked.

    Raises:
        UnknownNameError: a name that is none.
        InputError: no name at all.
    """
    for name in names:
        if name not in NAMES:
            raise unknown("scorer", name, NAMES)
    if not names:
        raise InputError(f"No scorer was named. Known: {', '.join(NAMES)}.")
    return list(dict.fromkeys(names))


def bill(place: Path, model: str) -> Bill:
    """About what it costs to judge what has no verdict yet; equal answers to equal questions once."""
    told = {
        (row["question"], row["target"], row["answer"])
        for folder, run in _finished(place)
        for row in left(scored(run.rows), Journal.read(folder / FILE), _judge(model))
    }
    letters = sum(len(TASK) + sum(map(len, one)) for one in told)
    return Bill(len(told), letters // LETTERS, len(told) * SAID)


def score(
    place: Path,
    *,
    encoder: Encoder | None = None,
    judging: Judging | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Mark what has no mark yet, and write summary.json and summary.md again.

    Args:
        place: a finished run's folder, or one that holds those of several models.
        encoder: for `similar`; without one it is left out.
        judging: for `judge`; without it that is left out.
        progress: called with (what, done, total).

    Returns:
        Folder's name -> answers, agreement of each two scorers, errors by scorer, and what judging cost.

    Raises:
        InputError: no finished run there.
        EndpointError: nothing can be judged any more.
    """
    told = {}
    for folder, run in _finished(place):
        spent = _marked(folder, scored(run.rows), encoder, judging, progress)
        write_summary(folder, run.tasks, run.info)
        told[run.name] = {**_told(Run.read(folder)), "judging": spent}
    return told


def _marked(
    folder: Path,
    rows: Sequence[Record],
    encoder: Encoder | None,
    judging: Judging | None,
    progress: Progress | None,
) -> Mapping[str, int] | None:
    """Mark a run's rows; what judging cost."""
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(folder / FILE))
        if encoder is not None:
            mark(journal, Similar.name, rows, Similar(encoder))
        if judging is None:
            return None
        verdicts = stack.enter_context(Journal(folder / VERDICTS))
        judge = Judge(judging.line, verdicts, at_once=judging.at_once, progress=progress)
        name = _judge(judging.line.model)
        todo = left(rows, journal.records, name)
        write(journal, name, todo, judge([case(row) for row in todo]), judge.bill.errors)
        return judge.bill.as_dict()


def _told(run: Run) -> dict[str, Any]:
    rows, names = scored(run.rows), scorers(run.scores)
    return {
        "answers": len(rows),
        "agreement": {
            f"{a}, {b}": asdict(found) for (a, b), found in agreements(by_scorer(rows, names)).items()
        },
        "errors": {name: errors(rows, run.scores, name) for name in names},
    }


def _finished(place: Path) -> list[tuple[Path, Run]]:
    told = [(folder, Run.read(folder)) for folder in folders(place)]
    for folder, run in told:
        if not run.ended:
            raise InputError(f"The run in {folder} has not ended. Run its command again, then score it.")
        if not scored(run.rows):
            raise InputError(f"{folder} holds no answers of `upqa`, which is what scorers look at.")
    return told


def _judge(model: str) -> str:
    return f"{Judge.name}:{model}"
