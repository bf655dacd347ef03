"""The search: gates of all candidates, answers of the best, then one setting after the other; the choice is
kept for the model.

    out/scan.json       the gates, taken again where they were made with the same things; only of an editor
                        that `Detects`
    out/raw.jsonl ...   answers: a run of the benchmark, a method for each candidate

Killed at any point, it goes on where it stopped, to the same choice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monogram.bench.calibration import page
from monogram.bench.calibration.candidates import (
    DRIFT,
    SPLIT,
    SURE,
    Candidate,
    candidates,
    default,
    order,
    others,
)
from monogram.bench.calibration.scan import figures, ranked, scan
from monogram.bench.intervals import Figure
from monogram.bench.manifest import code_digests, write_json
from monogram.bench.methods import Edited, Method
from monogram.bench.raw import RawLog
from monogram.bench.report.ahead import difference
from monogram.bench.report.runs import RAW
from monogram.bench.runner import run
from monogram.bench.session import Progress, Settings
from monogram.editors import chosen
from monogram.editors.base import Detects, Editor, Trials
from monogram.editors.registry import editor, editor_names
from monogram.errors import InputError
from monogram.models.build import build
from monogram.models.editable import EditableModel

GATES, ANSWERS = 24, 6
"""Items of the first stage, and of the second."""
FINALISTS = 3

Found = dict[Candidate, dict[str, Figure]]
"""The gates of candidates."""
Measured = dict[Candidate, Mapping[str, Any]]
"""Candidate -> what its answers came to, as in summary.json; nothing where it could not be measured."""


class Finalist(Edited):
    """A candidate's editor as a method under a name of its own."""

    def __init__(self, model: EditableModel, editor: Editor, asked: Sequence[str], called: str) -> None:
        super().__init__(model, editor, asked)
        self.called = called

    @property
    def name(self) -> str:
        return self.called


def calibrate(
    model: EditableModel,
    name: str,
    out: Path,
    *,
    gates: int = GATES,
    answers: int = ANSWERS,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Find an editor's settings for a model, and keep them for it.

    Args:
        model: the base model.
        name: the editor's.
        out: the folder of the search; one that was begun with the same things is gone on with.
        gates, answers: items of the first stage and of all others.
        settings: how answers are asked for.
        progress: called with (what, done, total).

    Returns:
        What is kept: `settings`, `defaults`, the `candidates`, each with its `settings`, its `gates`
        (`scan.figures`) and what was `measured` (summary.json), None where it was not; `kept` and `page` are
        where it went.

    Raises:
        UnknownNameError: no such editor.
        InputError: an editor that cannot be calibrated, a folder that holds something else, or no candidate
            that could be measured.
    """
    made = tried(name)
    usual = default(model, name)
    heard = _heard(model, name, out, gates, progress) if isinstance(made, Detects) else {}
    command = f"monogram calibrate --editor {name} --answers {answers} --gates {gates}"
    asked = order(answers, command, settings)
    measured: Measured = {}

    def measure(more: Sequence[Candidate]) -> None:
        every = [*measured, *(c for c in more if c not in measured)]

        def make(view: EditableModel, texts: Sequence[str], seed: int) -> list[Method]:
            del seed  # one seed is run, and it is the configuration's
            return [Finalist(view, editor(name, **c.settings), texts, c.called(name)) for c in every]

        summary = run(model, asked, make, out, progress)
        measured.update({c: summary.get(c.called(name), {}) for c in every})

    measure(_finalists(heard, usual))
    sure = partial(_leads, name, out)
    best = _best(measured, usual, out, sure)
    for setting, values in _trials(made).items():
        measure(others(name, best, setting, values))
        best = _best(measured, best, out, sure)
    record = {
        "model": model.name,
        "digest": model.digest,
        "build": build(model),
        "editor": str(made.name),
        "settings": best.settings,
        "defaults": usual.settings,
        "split": SPLIT,
        "items": {"gates": gates, "answers": answers},
        "candidates": [
            {
                "settings": candidate.settings,
                "gates": _plain(heard[candidate]) if candidate in heard else None,
                "measured": measured.get(candidate),
            }
            for candidate in dict.fromkeys([*heard, *measured])
        ],
    }
    files = page.write(record, out)
    return {**record, "kept": str(chosen.keep(model.digest, made.name, record)), "page": str(files[0])}


def tried(name: str) -> Editor:
    """An editor that can be calibrated.

    Raises:
        UnknownNameError: no such editor.
        InputError: it cannot be; those that can are told.
    """
    made = editor(name)
    if not _able(made):
        able = ", ".join(one for one in editor_names() if _able(editor(one)))
        raise InputError(
            f"Editor '{name}' cannot be calibrated: it names no settings to try (`trials`). "
            f"Those that can: {able}."
        )
    return made


def _able(made: Editor) -> bool:
    return isinstance(made, Detects) or bool(_trials(made))


def _trials(made: Editor) -> Trials:
    found: Trials = getattr(made, "trials", {})
    return found


def _plain(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {metric: figure.as_dict() for metric, figure in figures.items()}


def _heard(model: EditableModel, name: str, out: Path, items: int, progress: Progress | None) -> Found:
    """The first stage, from the folder where it was made with the same things."""
    every, asked = candidates(model, name), order(items)
    asked.plans()  # so that `used` tells the data
    about = {
        "model": model.digest,
        "build": build(model),
        "editor": [name, repr(editor(name).config)],
        "candidates": [candidate.settings for candidate in every],
        "data": asked.sources.used,
        "items": items,
        "code": code_digests(),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    before = _read(out / "scan.json", digest, len(every))
    if before is None:
        made = scan(model, lambda c: editor(name, **c.settings), every, asked, progress)
        before = [_plain(figures(items)) for items in made.values()]
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "scan.json", {"made_with": digest, "figures": before})
    return {c: page.figures(told) for c, told in zip(every, before, strict=True)}


def _read(path: Path, digest: str, count: int) -> list[dict[str, Any]] | None:
    """The figures of an earlier first stage, or None where they are not those."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    told = kept.get("figures") if isinstance(kept, dict) and kept.get("made_with") == digest else None
    return told if isinstance(told, list) and len(told) == count else None


def _finalists(heard: Found, usual: Candidate) -> list[Candidate]:
    """The best of the best layers, and the defaults in any case: a choice is held against them."""
    best = list(ranked(heard, usual))[:FINALISTS]
    return best if usual in best else [*best[: FINALISTS - 1], usual]


def _best(
    measured: Measured, held: Candidate, out: Path, sure: Callable[[Candidate, Candidate], bool]
) -> Candidate:
    """The one of the best score that drifts little enough, the first of equals; what is held stays where
    nothing is `sure` to lead it.
    """
    scores = {c: value for c, told in measured.items() if (value := _value(told, "score")) is not None}
    if not scores:
        raise InputError(f"No candidate could be measured; why stands in {out / 'summary.md'}.")
    most = max(DRIFT, _value(measured.get(held, {}), "drift") or 0.0) if held in scores else float("inf")
    gentle = [c for c in scores if (_value(measured[c], "drift") or 0.0) <= most]
    if held not in scores:
        return max(gentle, key=lambda c: scores[c])
    leads = [c for c in gentle if scores[c] > scores[held] and sure(c, held)]
    return max(leads, key=lambda c: scores[c], default=held)


def _leads(name: str, out: Path, one: Candidate, other: Candidate) -> bool:
    """Whether one's answers lead another's by more than chance: in `SURE` of the paired bootstrap's draws."""
    asked = [row for row in RawLog.read(out / RAW).records.values() if "scores" in row and "why" not in row]
    first, second = ([row for row in asked if row["method"] == c.called(name)] for c in (one, other))
    found = difference(first, second)
    return found is not None and float((found[1] > 0).mean()) >= SURE


def _value(told: Mapping[str, Any], metric: str) -> float | None:
    """A figure of a summary, if it has one."""
    return (told.get(metric) or {}).get("value")
