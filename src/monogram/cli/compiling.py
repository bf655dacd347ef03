"""The command `compile`: many people at once, from a file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from monogram.cli.change import SECONDS_EACH
from monogram.cli.interrupt import interrupt
from monogram.cli.options import Editor, Home, Json, Model, Yes
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.progress import progress
from monogram.cli.shared import agree, counted
from monogram.errors import InputError

if TYPE_CHECKING:
    from monogram.bulk.run import Done, Plan
    from monogram.bulk.work import Outcome

SHOWN = 8
"""Problems that are shown; all of them are in the manifest."""
FIRST = 3
"""After so many people it is said how long the others will take."""
STATUSES = ("compiled", "unchanged", "refused", "failed")


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("compile")(explained(compile_))


def compile_(
    people: Annotated[Path, typer.Argument(help="JSON lines, each about a person.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder that keeps the people (default: where `add` keeps them).", show_default=False
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="local (this process) or ray (actors of Ray Data).")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Ray's actors, each with a copy of the model (default: cores / threads).",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=256, help="Threads of each model; a delta's last bits hang on it.")
    ] = 1,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster to join (default: one is started here, and ended).", show_default=False
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="What became of each (default: PEOPLE.manifest.jsonl).", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try again what was refused before.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is to do, and change nothing.")
    ] = False,
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Compile many people from a file: each as `import` does one, checked, and whole or not at all.

    A line is a row: `{"user": "alice", "preferences": [{"attribute": "hobby", "target": "Hiking"}]}`, or with
    `"said": "I love hiking."`, or `"messages": [...]`, instead of preferences. Afterwards they are true of
    the person; what else was true stays, and what conflicts is replaced. A row that makes no sense, or an
    edit that is refused, stops nobody else: the manifest, beside the file, has a line for each.

    Says first what it will cost. Whoever is as the file says already is left alone, so the same command goes
    on where it was stopped, killed or not. The deltas are the same to the bit with either engine and any
    number of workers. With `--out STORE` the people are kept there; `monogram serve --home STORE` serves
    them (docs/bulk.md).

    Example: `monogram compile people.jsonl --out store`

    Example: `monogram compile people.jsonl --out store --engine ray --workers 8 --yes`
    """
    from monogram.bulk.base import base_digest
    from monogram.bulk.pool import Setup, at_once, need_ray, on_ray
    from monogram.bulk.roster import read_roster
    from monogram.bulk.run import local, manifest_of, plan, run
    from monogram.editors.registry import editor as editor_named
    from monogram.files import people_home
    from monogram.journal import Journal
    from monogram.models.editable import EditableModel
    from monogram.store.store import Store

    if engine == "local" and (workers is not None or ray_address is not None):
        raise typer.BadParameter("--workers and --ray-address are for --engine ray; local is one process")
    if engine == "ray":
        need_ray()
    if editor is not None:
        editor_named(editor)
    kept = (people_home(home) if out is None else out).expanduser().absolute()
    place = (manifest or manifest_of(people)).expanduser().absolute()
    _refuse_places(kept, place)
    roster, store = read_roster(people), Store(kept)
    with Journal(place) as journal:
        with progress(as_json, f"Loading {model}") as bars:
            load = cache(lambda: EditableModel.load(model, home=home, progress=bars))
            base = base_digest(model, load, home=home, progress=bars)
            todo = plan(roster, store, journal.records, base=base, editor=editor, again=again, progress=bars)
        wide = 1 if engine == "local" else workers or at_once(threads)
        cost = _cost(todo, model, wide)
        if dry_run:
            emit({"dry_run": True, **_counts(todo), "cost": cost}) if as_json else say(cost)
            return
        if todo.todo:
            if yes and not as_json:
                remark(cost)
            agree(cost, yes=yes, as_json=as_json)
            store.finish()
        setup = Setup(model, base, home, kept, editor, threads)
        if engine == "ray":
            load.cache_clear()  # the actors have their own
            how = on_ray(setup, workers=workers, address=ray_address)
        else:
            how = local(lambda: setup.worker(load()))
        begun = time.perf_counter()
        with _going_on(todo) as told, progress(as_json, "Beginning" if todo.todo else "") as bars:
            told.aloud = bars is None and not as_json
            done = run(todo, how, journal, progress=bars, told=told)
    seconds = time.perf_counter() - begun
    record = {
        "out": str(kept),
        "manifest": str(place),
        "people": len(roster.people),
        **{status: done.count(status) for status in STATUSES},
        "seconds": round(seconds, 3),
        "problems": [one.as_record() for one in done.problems],
    }
    emit(record) if as_json else _show(done, record)
    if done.problems:
        raise typer.Exit(1)


class Told:
    """Hears of people as they are done, and says after the first few how long the others will take."""

    def __init__(self, todo: int) -> None:
        self.todo, self.done, self.aloud = todo, 0, False
        self._begun = time.perf_counter()

    def __call__(self, _outcome: "Outcome") -> None:
        self.done += 1
        if self.done == 1:  # what was loaded before is not of the pace
            self._begun = time.perf_counter()
        if self.aloud and self.done == FIRST + 1 and self.todo > self.done:
            each = (time.perf_counter() - self._begun) / FIRST
            left = self.todo - self.done
            remark(f"{each:.1f} s a person; about {spell(each * left)} for the {left} that are left.")


@contextmanager
def _going_on(todo: "Plan") -> Iterator[Told]:
    """Who is interrupted is told how to go on."""
    told = Told(len(todo.todo))
    try:
        yield told
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or interrupt.noticed:
            remark(f"{told.done} of {told.todo} people are done. Run the same command again to go on.")
        raise


def spell(seconds: float) -> str:
    """A time, as people say it.

    >>> spell(45), spell(600), spell(36000)
    ('45 s', '10 minutes', '10 hours')
    """
    if seconds <= 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds <= 7200 else f"{seconds / 3600:.0f} hours"


def _refuse_places(kept: Path, place: Path) -> None:
    if kept.exists() and not kept.is_dir():
        raise InputError(f"{kept} is a file; --out names the folder that keeps the people. Name another.")
    if place.is_dir():
        raise InputError(
            f"{place} is a folder; --manifest names a file. Give one in it: {place / 'manifest.jsonl'}."
        )


def _counts(todo: "Plan") -> dict[str, int]:
    settled = {status: todo.count(status) for status in STATUSES[1:]}
    return {"people": len(todo.todo), "preferences": todo.preferences, **settled}


def _cost(todo: "Plan", model: str, workers: int) -> str:
    """What is to do, and about how long it will take."""
    others = [
        f"{count} {what}"
        for status, what in (
            ("unchanged", "as the file says already"),
            ("refused", "refused before (--again tries them)"),
            ("failed", "in rows that make no sense"),
        )
        if (count := todo.count(status))
    ]
    beside = f" Beside them: {', '.join(others)}." if others else ""
    if not todo.todo:
        return f"There is nobody to compile.{beside}"
    low, high = (each * todo.preferences / workers for each in SECONDS_EACH)
    takes = f"{spell(low)} to {spell(high)}"
    if todo.pace is not None:
        takes = f"about {spell(todo.pace * todo.preferences / workers)}, as those before took"
    shown = model if len(model) <= 80 else model[:79] + "…"
    who = "1 person" if len(todo.todo) == 1 else f"{len(todo.todo)} people"
    return (
        f"{who}, {counted(todo.preferences, 'preference')}, to compile into {shown} by "
        f"{counted(workers, 'worker')}: {takes}.{beside}"
    )


def _show(done: "Done", record: dict[str, Any]) -> None:
    problems = done.problems
    if problems:
        rows = [(one.user, ", ".join(map(str, one.lines)), one.status, one.why) for one in problems[:SHOWN]]
        show_table(["user", "line", "what", "why"], rows)
        if len(problems) > SHOWN:
            say(f"{len(problems) - SHOWN} more are in the manifest.")
    counts = ", ".join(f"{record[status]} {status}" for status in STATUSES)
    say(f"{counts}, in {spell(record['seconds'])}. Manifest: {record['manifest']}")
