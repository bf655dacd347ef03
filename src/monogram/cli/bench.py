"""The command `bench`: runs a task of the entry-point group `monogram.tasks`, built in or a plugin's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from monogram.cli import complete
from monogram.cli.options import Home, Json, Model
from monogram.cli.output import emit, explained, say
from monogram.cli.progress import Progress, progress
from monogram.errors import MonogramError, unknown

GROUP = "monogram.tasks"
METHODS = {"cost": "neuron,neuron-plain", "among": "neuron"}
"""What is compared when nothing is said, where it is not `none,neuron`."""


class Task(Protocol):
    """What an entry point of the group leads to."""

    name: str
    help: str

    def run(
        self,
        *,
        data: Path | None,
        split: str | None,
        methods: str,
        model: str,
        limit: int | None,
        per_attribute: int | None,
        out: Path,
        seed: int,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Run what is not done yet in `out`, and return the summary."""

    def table(self, summary: Mapping[str, Any]) -> str:
        """The summary as a table for people."""


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("bench")(explained(bench))


def bench(
    task: Annotated[
        str,
        typer.Argument(
            help="What to measure: upqa, cost or among.",
            show_default=False,
            autocompletion=complete.points(GROUP),
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="A file in the task's format (default: the project's own).")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Of the project's own set: calibration, development (the default) or test."),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Methods with commas between, or all (default: none,neuron)."),
    ] = None,
    model: Model = "smollm2",
    limit: Annotated[int | None, typer.Option(min=1, help="The first N items.")] = None,
    per_attribute: Annotated[
        int | None, typer.Option("--per-attribute", min=1, help="The first N items of each attribute.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for raw.jsonl and summary.json (default: out/TASK).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    home: Home = None,  # noqa: ARG001  (explained() sees to it)
    as_json: Json = False,
) -> None:
    """Measure methods against each other. A run that was interrupted goes on where it stopped.

    Every answer is kept in raw.jsonl, the figures with their intervals in summary.json.

    Example: `monogram bench upqa --methods none,neuron --per-attribute 4 --out out/first`
    """
    if limit is not None and per_attribute is not None:
        raise typer.BadParameter("--limit and --per-attribute exclude each other.")
    place = out if out is not None else Path("out") / task
    with progress(as_json, f"Loading {model}") as bars:
        found = load_task(task)
        summary = found.run(
            data=data,
            split=split,
            methods=methods if methods is not None else METHODS.get(task, "none,neuron"),
            model=model,
            limit=limit,
            per_attribute=per_attribute,
            out=place,
            seed=seed,
            progress=bars,
        )
    if as_json:
        emit(summary)
    else:
        say(found.table(summary))
        say(f"Raw answers and figures: {place}")


def load_task(name: str) -> Task:
    """The task of that name.

    Raises:
        UnknownNameError: there is none.
        MonogramError: it is there and cannot be loaded.
    """
    from importlib.metadata import entry_points

    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise unknown("task", name, points)
    try:
        task: Task = points[name].load()
    except (ImportError, AttributeError) as error:
        raise MonogramError(f"The task {name!r} cannot be loaded: {error}. Install what it needs.") from error
    return task
