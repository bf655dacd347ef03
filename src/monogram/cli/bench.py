"""The commands `bench TASK...`, `bench report` and `bench score`. Tasks are entry points of the group
`monogram.tasks`, built in or a plugin's.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from monogram.cli import complete, report
from monogram.cli.options import Home, Json
from monogram.cli.output import emit, explained, say
from monogram.cli.progress import progress
from monogram.cli.shared import listed, the_door

RUN = "run"
GROUP = "monogram.tasks"
METHODS = {"cost": "neuron,neuron-plain"}
"""What is compared when nothing is said, where it is not `none,neuron`."""


class Bench(TyperGroup):
    """Commands, of which `run` needs no name: whatever is none of theirs are tasks or options of a run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name in."""
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The commands, and the tasks."""
        run = self.commands[RUN]
        asked = run.make_context(RUN, [], ctx, resilient_parsing=True)
        tasks = run.params[0].shell_complete(asked, incomplete)
        return [*super().shell_complete(ctx, incomplete), *tasks]


def join(app: typer.Typer) -> None:
    """Put the group into the app."""
    group = typer.Typer(
        cls=Bench,
        no_args_is_help=True,
        help="Measure methods against each other: `monogram bench upqa,leak --methods none,neuron`, which is "
        "short for `monogram bench run ...`; then make a page of it.",
        rich_markup_mode="markdown",
    )
    group.command(RUN)(explained(bench))
    report.join(group)
    app.add_typer(group, name="bench")


def bench(
    tasks: Annotated[
        str,
        typer.Argument(
            metavar="TASK[,TASK...]",
            help="What to measure: upqa, leak, crosstalk, drift, violation, retention, change, forget, "
            "multiturn, systems, prefeval-choice, capability, sizes, cost, or a plugin's.",
            show_default=False,
            autocompletion=complete.points(GROUP),
        ),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of records or a folder of such; may be said again (default: the project's own).",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Of the project's own set: calibration, development (the default) or test.",
            show_default=False,
            autocompletion=complete.words("calibration", "development", "test"),
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods with commas between (default: none,neuron), or all: every one but neuron-plain, "
            "which is neuron the slow way.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(
            "--model",
            "--models",
            "-m",
            help="smollm2 (embedded), a folder, a .gguf file or a hub id; several with commas between. "
            "random:llama-1b (or -135m, -360m, -3b, -8b, -1024x24; :bfloat16) has drawn weights, for cost.",
            autocompletion=complete.models,
        ),
    ] = "smollm2",
    limit: Annotated[int | None, typer.Option(min=1, help="The first N items.")] = None,
    per_attribute: Annotated[
        int | None, typer.Option("--per-attribute", min=1, help="The first N items of each attribute.")
    ] = None,
    seeds: Annotated[
        str, typer.Option("--seeds", "--seed", help="Of what is drawn; several with commas between.")
    ] = "0",
    protocol: Annotated[
        str,
        typer.Option(
            help="honest, or paper (raw prompts, answers cut as published; to compare with the literature).",
            autocompletion=complete.words("honest", "paper"),
        ),
    ] = "honest",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="METHOD.FIELD=VALUE",
            help="A setting of an editor, say memit.synonyms=3, neuron.value.steps=30 or memit.preset=paper; "
            "may be said again.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for raw.jsonl and summary.json (default: out/TASK).", show_default=False),
    ] = None,
    home: Home = None,  # noqa: ARG001  (explained() sees to it)
    as_json: Json = False,
) -> None:
    """Measure methods against each other. A run that was interrupted goes on where it stopped.

    Tasks that are asked for together share each edit. Every answer is kept in raw.jsonl, the figures with
    their intervals in summary.json; with several models each has a folder of its own in --out.

    Example: `monogram bench upqa,forget --methods none,neuron --per-attribute 4 --out out/first`
    """
    if limit is not None and per_attribute is not None:
        raise typer.BadParameter("--limit and --per-attribute exclude each other.")
    asked, named = listed(tasks), listed(models)
    drawn = _numbers(seeds)
    place = out if out is not None else Path("out") / "-".join(asked)
    with progress(as_json, "Reading records") as bars:
        door = the_door()
        summary = door.bench(
            asked,
            data=data or (),
            split=split,
            methods=listed(methods if methods is not None else METHODS.get(tasks, "none,neuron")),
            models=named,
            limit=limit,
            per_attribute=per_attribute,
            seeds=drawn,
            protocol=protocol,
            settings=settings or (),
            out=place,
            progress=bars,
        )
    if as_json:
        emit(summary)
    else:
        say(door.shown(asked, named, summary, place))
        say(f"Raw answers and figures: {place}; a page: monogram bench report {place}")


def _numbers(words: str) -> list[int]:
    try:
        return [int(word) for word in listed(words)]
    except ValueError:
        raise typer.BadParameter(f"--seeds takes whole numbers with commas between, not {words!r}.") from None
