"""A run: methods × models × tasks × seeds, in a folder. Killed at any point, it goes on where it stopped.

One model writes raw.jsonl, manifest.json, summary.json, summary.md and run.json into the folder. Several have
a folder each below it, by name, and the folder's summary.json holds theirs: model -> method -> metric ->
figure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from monogram.bench.asks import Plan
from monogram.bench.items import Choice
from monogram.bench.manifest import guard, manifest, plain, write_json
from monogram.bench.methods import Method
from monogram.bench.raw import SKIPPED, RawLog, key
from monogram.bench.session import Progress, Session, Settings
from monogram.bench.sources import Sources
from monogram.bench.summary import write_summary
from monogram.bench.tasks.base import Task
from monogram.errors import InputError
from monogram.models.editable import EditableModel

Make = Callable[[EditableModel, Sequence[str], int], Sequence[Method]]
"""(model, texts that may not train, seed) -> methods, the cheap ones first."""


@dataclass(frozen=True)
class Order:
    """What is run.

    Attributes:
        tasks: what is asked.
        sources: of which records.
        choice: how many of them.
        seeds: what drawing methods are run with, one after the other; the first is the bootstrap's, too.
        settings: how.
        command: what was typed, for the report.
    """

    tasks: Sequence[Task]
    sources: Sources
    choice: Choice = field(default_factory=Choice)
    seeds: tuple[int, ...] = (0,)
    settings: Settings = field(default_factory=Settings)
    command: str = ""

    def plans(self) -> list[tuple[Task, Plan]]:
        """What each task wants.

        Raises:
            InputError: a record that cannot be used, or none of them has anything to ask.
        """
        plans = [(task, task.plan(self.sources, self.choice)) for task in self.tasks]
        if all(plan.skipped and not plan.cases for _, plan in plans):
            reasons = dict.fromkeys(f"{task.name}: {why}" for task, plan in plans for _, why in plan.skipped)
            raise InputError(" ".join(["There is nothing to ask.", *reasons]))
        return plans


def run(
    model: EditableModel, order: Order, make: Make, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure methods on one model; what is done already is not done again.

    Args:
        model: the base model.
        order: what is run.
        make: what is compared.
        out: the run's folder. One that was begun with the same things is gone on with; methods and seeds may
            be added.
        progress: called with (what, done, total).

    Returns:
        What summary.json holds: method -> metric -> {value, low, high, n}.

    Raises:
        InputError: the folder holds a run made with other things, or another process is writing there.
    """
    plans, told = order.plans(), progress or _silent
    view = order.settings.protocol.view(model)
    asked = tuple(dict.fromkeys(text for _, plan in plans for text in plan.asked))
    methods = {seed: list(make(view, asked, seed)) for seed in order.seeds}
    settings = {
        "protocol": order.settings.protocol.name,
        "longest": order.settings.protocol.longest,
        "limit": order.choice.limit,
        "per_attribute": order.choice.per_attribute,
        "batch_size": order.settings.batch_size,
        **{name: value for _, plan in plans for name, value in plan.settings.items()},
    }
    made_with = manifest(
        tasks=[task.name for task in order.tasks],
        model=model,
        data=order.sources.used,
        settings=settings,
        methods={method.name: _seedless(plain(method.settings)) for method in methods[order.seeds[0]]},
    )
    with _folder(out):
        kept = guard(out, made_with)
        with RawLog(out / "raw.jsonl") as log:
            session = Session(view, plans, log, order.settings, told)
            runs = [(method, seed) for seed in order.seeds for method in methods[seed]]
            drawing = [run for run in runs if run[1] == order.seeds[0] or "seed" in run[0].settings]
            session.base([(method.name, seed) for method, seed in drawing])
            for method, seed in runs:
                if (method, seed) in drawing:
                    session.method(method, seed)
                else:
                    _same(log, method, seed, order.seeds[0])
            for task in order.tasks:
                _apart(log, task, view, methods[order.seeds[0]], order, told)
        return write_summary(out, order.tasks, {**kept, "command": order.command, "seeds": list(order.seeds)})


def run_models(
    names: Sequence[str], order: Order, make: Make, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure methods on models, one after the other, by name.

    Returns:
        Of one model, what its summary.json holds; of several, model -> that.

    Raises:
        InputError: see `run`.
        ModelError: a model that is not there, or cannot be used.
    """
    order.plans()  # bad records are told before a model is loaded
    if len(names) == 1:
        return run(EditableModel.load(names[0], progress=progress), order, make, out, progress)
    if (out / "raw.jsonl").exists():
        raise InputError(f"{out} holds a run of one model. Give --out a new folder.")
    found = {}
    for name in names:
        model = EditableModel.load(name, progress=progress)
        found[name] = run(model, order, make, out / slug(name), progress)
        write_json(out / "summary.json", found)
    return found


def slug(name: str) -> str:
    """A model's name as a folder's."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


def command_line(tasks: str, **options: object) -> str:
    """The command of a run, without the paths of this machine."""
    told = {name.replace("_", "-"): value for name, value in options.items() if value not in (None, ())}
    words = []
    for name, value in told.items():
        for one in value if isinstance(value, tuple) else (value,):
            shown = one.name if isinstance(one, Path) else str(one)
            words.append(f"--{name} {shlex.quote(shown)}")
    return " ".join(["monogram", "bench", tasks, *words])


def _apart(
    log: RawLog,
    task: Task,
    model: EditableModel,
    methods: Sequence[Method],
    order: Order,
    progress: Progress,
) -> None:
    """What a task measures besides, all methods together: whole, or again."""
    head = {"seed": order.seeds[0], "task": task.name}
    done = {"method": "base", **head, "item": "", "kind": "apart", "variant": "done"}
    names = [method.name for method in methods]
    before = log.records.get(key(done))
    if before is not None and set(names) <= set(before["methods"]):
        return
    rows = task.apart(model, methods, order.sources, order.choice, progress)
    for row in rows:
        log.append({"variant": "", **row, **head, "scores": {}})
    if rows:
        log.append({**done, "methods": names})


def _same(log: RawLog, method: Method, seed: int, first: int) -> None:
    """Say that a method does not hang on the seed."""
    row = {"method": method.name, "seed": seed, "task": "", "item": "", "kind": SKIPPED, "variant": "seed"}
    row["why"] = f"It draws nothing, so seed {seed} would be seed {first} again."
    if key(row) not in log.records:
        log.append(row)


def _seedless(settings: Any) -> Any:
    """A method's settings without the seed, which stands in every row."""
    if isinstance(settings, Mapping):
        return {name: _seedless(value) for name, value in settings.items() if name != "seed"}
    return settings


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """The folder, ours alone for the length of a `with`."""
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
        yield
    finally:
        lock.release()


def _silent(what: str, done: int, total: int) -> None:
    """No progress is wanted."""
