"""What `bench` and `calibrate` call: tasks, methods, models and data by name; a run in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monogram.bench import rescore
from monogram.bench.calibration import page as calibrated
from monogram.bench.calibration import search
from monogram.bench.items import Choice
from monogram.bench.methods import Method, chosen
from monogram.bench.methods import methods as methods_by_name
from monogram.bench.protocol import Protocol
from monogram.bench.report import page
from monogram.bench.report.tables import figures, headings, table, why
from monogram.bench.runner import Order, command_line, run_models, slug
from monogram.bench.session import Progress, Settings
from monogram.bench.settings import set_by
from monogram.bench.sources import Sources
from monogram.bench.tasks.registry import tasks as tasks_by_name
from monogram.endpoint import Line
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.sentences import SentenceEncoder


def bench(
    tasks: Sequence[str],
    *,
    methods: Sequence[str],
    models: Sequence[str],
    out: Path,
    data: Sequence[Path] = (),
    split: str | None = None,
    limit: int | None = None,
    per_attribute: int | None = None,
    seeds: Sequence[int] = (0,),
    protocol: str = "honest",
    settings: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run what is not done yet in `out`.

    Args:
        tasks: names.
        methods: names; `all` stands for every method.
        models: what `EditableModel.load` takes.
        out: the run's folder.
        data: files and folders of records; the project's own by default.
        split: of the project's own set; development by default.
        limit: the first N records; all by default.
        per_attribute: the first N records of each attribute.
        seeds: of what is drawn.
        protocol: `honest` or `paper`.
        settings: of editors, like `memit.synonyms=3` or `memit.preset=paper`.
        progress: called with (what, done, total).

    Returns:
        Method -> metric -> {value, low, high, n}; with several models, model -> that.

    Raises:
        InputError: a bad file, choice or name, or a folder that holds another run.
        ModelError: a model that is not there, or cannot be used.
    """
    names = chosen(methods)
    if not seeds or not models:
        raise InputError("No seed or no model was named. Give one of each at least.")
    command = command_line(
        ",".join(tasks),
        data=tuple(data),
        split=split,
        methods=",".join(methods),
        models=",".join(models),
        limit=limit,
        per_attribute=per_attribute,
        seeds=",".join(map(str, seeds)),
        protocol=protocol,
        set=tuple(settings),
    )
    changed = set_by(settings)
    order = Order(
        tasks=tasks_by_name(tasks),
        sources=Sources(data, split or "development"),
        choice=Choice(limit, per_attribute),
        seeds=tuple(dict.fromkeys(seeds)),
        settings=Settings(Protocol.named(protocol)),
        command=command,
    )

    def make(model: EditableModel, asked: Sequence[str], seed: int) -> list[Method]:
        return methods_by_name(names, model, asked, changed, seed)

    return run_models(list(dict.fromkeys(models)), order, make, out, progress)


def calibrate(
    model: str,
    editor: str,
    *,
    out: Path,
    gates: int = search.GATES,
    answers: int = search.ANSWERS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Find an editor's settings for a model, and keep them for it; see `calibration.search.calibrate`.

    Raises:
        ModelError: a model that is not there, or cannot be used.
    """
    search.tried(editor)  # a bad name is told before a model is loaded
    em = EditableModel.load(model, progress=progress)
    return search.calibrate(em, editor, out, gates=gates, answers=answers, progress=progress)


def found(record: Mapping[str, Any]) -> str:
    """What `calibrate` found, as a table for people and a line."""
    return f"{calibrated.table(record)}\n\n{calibrated.said(record)}"


def report(places: Sequence[Path], out: Path | None = None, *, texts: bool = True) -> list[Path]:
    """Write the report of runs; see `report.page.write`."""
    return page.write(places, out, texts=texts)


def judging(place: Path, model: str) -> rescore.Bill:
    """About what it costs to judge a finished run's answers."""
    return rescore.bill(place, model)


def score(
    place: Path,
    names: Sequence[str],
    *,
    line: Line | None = None,
    at_once: int = 4,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Mark a finished run's answers by further scorers; see `rescore.score`.

    Args:
        line: to the language model, where `judge` is among the names.

    Raises:
        UnknownNameError: a name that is no scorer.
    """
    asked = rescore.named(names)
    encoder = SentenceEncoder.load(progress=progress) if "similar" in asked else None
    how = rescore.Judging(line, at_once) if line is not None and "judge" in asked else None
    return rescore.score(place, encoder=encoder, judging=how, progress=progress)


def shown(tasks: Sequence[str], models: Sequence[str], summary: Mapping[str, Any], out: Path) -> str:
    """A summary as tables for people, a row per metric, a column per method; one table for each model, and
    below it what was not run, and why.
    """
    made = tasks_by_name(tasks)
    several = summary if len(set(models)) > 1 else {"": summary}
    parts = []
    for model, plain in several.items():
        found = figures(plain)
        left = json.loads((out / (slug(model) if model else "") / "run.json").read_text())["run"]["skipped"]
        parts += [*([model, ""] if model else []), table(found, headings(found, made)), ""]
        parts += [*(f"Not run: {why(entry)}" for entry in left), ""]
    return "\n".join(parts).rstrip()
