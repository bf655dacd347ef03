"""The runs of a report: folders read again, each method of each run an entry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from monogram.bench.intervals import Figure
from monogram.bench.raw import RawLog, Record
from monogram.bench.scorers.marks import FILE, Kept, joined
from monogram.bench.summary import Summary, skipped, summarise
from monogram.bench.tasks.base import Task
from monogram.bench.tasks.registry import tasks
from monogram.errors import InputError
from monogram.journal import Journal

RAW = "raw.jsonl"


@dataclass(frozen=True)
class Run:
    """A folder's raw outputs, with what they were made with.

    Attributes:
        name: of the folder.
        rows: of raw.jsonl, with the marks of further scorers.
        tasks: what was run.
        info: of run.json, or of manifest.json where the run has not ended.
        ended: whether it has.
        scores: of scores.jsonl.
    """

    name: str
    rows: tuple[Record, ...]
    tasks: tuple[Task, ...]
    info: Mapping[str, Any]
    ended: bool
    scores: Kept

    @property
    def seed(self) -> int:
        """Of the bootstrap."""
        return int(self.info.get("seeds", [0])[0])

    @cached_property
    def summary(self) -> Summary:
        """What summary.json holds."""
        return summarise(self.rows, self.tasks, list(self.info["methods"]), self.seed)

    @property
    def skipped(self) -> list[dict[str, str]]:
        """What could not be asked, and why."""
        return skipped(self.rows)

    @classmethod
    def read(cls, folder: Path) -> Run:
        """The run in a folder.

        Raises:
            InputError: it holds none, or a damaged one.
        """
        info = _info(folder)
        rows = joined(folder, list(RawLog.read(folder / RAW).records.values()))
        ended = (folder / "run.json").exists()
        scores = Journal.read(folder / FILE)
        return cls(folder.resolve().name, tuple(rows), tuple(tasks(info["tasks"])), info, ended, scores)


@dataclass(frozen=True)
class Entry:
    """A method of a run.

    Attributes:
        name: of the method, after the run's where there are several.
        figures: metric -> figure.
        rows: what it was asked and could be.
    """

    name: str
    method: str
    run: Run
    figures: Mapping[str, Figure]
    rows: tuple[Record, ...]

    def of(self, task: str, *kinds: str) -> list[Record]:
        """Its rows of a task, all or of some kinds."""
        return [row for row in self.rows if row["task"] == task and (not kinds or row["kind"] in kinds)]


def entries(runs: Sequence[Run]) -> list[Entry]:
    """Every method of every run."""
    found = []
    for run in runs:
        for method, figures in run.summary.items():
            name = method if len(runs) == 1 else f"{run.name} / {method}"
            rows = tuple(r for r in run.rows if r["method"] == method and "scores" in r and "why" not in r)
            found.append(Entry(name, method, run, figures, rows))
    return found


def read(places: Sequence[Path]) -> list[Run]:
    """The runs in folders; one that holds folders of runs (several models) stands for these.

    Raises:
        InputError: no run there, or two of one name.
    """
    runs = [Run.read(folder) for place in places for folder in folders(place)]
    names = [run.name for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"Two runs are called {twice[0]!r}. Rename one of the folders.")
    return runs


def folders(place: Path) -> list[Path]:
    """A run's folder, or those below it that are.

    Raises:
        InputError: none.
    """
    if (place / RAW).exists():
        return [place]
    if below := sorted(path.parent for path in place.glob(f"*/{RAW}")):
        return below
    raise InputError(f"{place} holds no run: there is no {RAW}. Name the folder that was --out of a bench.")


def _info(folder: Path) -> dict[str, Any]:
    path = next((p for name in ("run.json", "manifest.json") if (p := folder / name).exists()), None)
    if path is None:
        raise InputError(f"{folder} has {RAW}, but neither run.json nor manifest.json. It cannot be read.")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        told = told["run"] if path.name == "run.json" else told
        return {**told, "methods": dict(told["methods"]), "tasks": list(told["tasks"])}
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} does not tell what the run was made with ({error}).") from error
