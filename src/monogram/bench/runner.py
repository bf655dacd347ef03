"""A run's folder: manifest, raw outputs, summary; killed, a run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from monogram.bench.manifest import guard, manifest
from monogram.bench.methods import Method
from monogram.bench.questions import Upqa
from monogram.bench.raw import RawLog
from monogram.bench.session import Progress, Session, Settings
from monogram.bench.summary import write_summary
from monogram.errors import InputError
from monogram.models.editable import EditableModel


def run(
    model: EditableModel,
    task: Upqa,
    methods: Sequence[Method],
    out: Path,
    *,
    settings: Settings | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure methods on a task and write raw.jsonl, manifest.json, summary.json, summary.md and run.json.

    Args:
        model: the base model.
        task: what is asked.
        methods: what is compared.
        out: the run's folder. One that was begun with the same things is gone on with; methods may be added.
        settings: how it is done.
        command: what was typed, for the report.
        progress: called with (what, done, total).

    Returns:
        What summary.json holds: method -> metric -> {value, low, high, n}.

    Raises:
        InputError: the folder holds a run made with other things, or another process is writing there.
    """
    settings = settings or Settings()
    made_with = manifest(
        task=task.name,
        model=model,
        data={
            "file": task.file.path.name,
            "sha256": task.file.sha256,
            "items": [item.index for item in task.items],
        },
        settings={
            "max_new_tokens": settings.max_new_tokens,
            "drift": settings.drift,
            "crosstalk": task.crosstalk,
        },
        methods={method.name: method.settings for method in methods},
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(f"{out} is a file; --out must be a folder.") from error
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"Another run is writing in {out}. Wait for it, or give --out a new folder."
        ) from error
    try:
        kept = guard(out, made_with)
        with RawLog(out / "raw.jsonl") as log:
            session = Session(model, task, log, settings, progress or _silent)
            session.base_answers()
            for method in methods:
                session.method(method)
        return write_summary(out, {**kept, "command": command, "seed": settings.seed})
    finally:
        lock.release()


def _silent(what: str, done: int, total: int) -> None:
    """No progress is wanted."""
