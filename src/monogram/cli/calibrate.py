"""The command `calibrate`: settings of an editor for a model that nobody has measured."""

import re
from pathlib import Path
from typing import Annotated

import typer

from monogram.cli import complete
from monogram.cli.options import Home, Json
from monogram.cli.output import emit, explained, say
from monogram.cli.progress import progress
from monogram.cli.shared import the_door


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command()(explained(calibrate))


def calibrate(
    model: Annotated[
        str,
        typer.Argument(
            help="smollm2 (embedded), a folder, a .gguf file or a hub id.", autocompletion=complete.models
        ),
    ] = "smollm2",
    editor: Annotated[
        str,
        typer.Option(
            help="Whose settings: any editor that names some to try.",
            autocompletion=complete.points("monogram.editors"),
        ),
    ] = "neuron",
    gates: Annotated[int, typer.Option(min=1, help="Preferences that every candidate is tried on.")] = 24,
    answers: Annotated[int, typer.Option(min=1, help="Preferences that candidates write answers about.")] = 6,
    out: Annotated[
        Path | None,
        typer.Option(help="The search's folder (default: out/calibrate-EDITOR-MODEL).", show_default=False),
    ] = None,
    home: Home = None,  # noqa: ARG001  (explained() sees to it)
    as_json: Json = False,
) -> None:
    """Find the settings that suit a model.

    Of neuron they are first the layer that preferences are stitched into, and how easily they fire there:
    every candidate (nine layers, three thresholds) is tried without writing an answer. Would it fire at
    somebody's own questions, and be silent at others' and at unrelated ones? Then the three best, the
    defaults among them, write answers; and so do other values of what is left to set, one setting after the
    other, as they do from the start for an editor that cannot tell where it will fire. The best is kept under
    MONOGRAM_HOME for this model, and is what `add` and `bench` use there from then on; who is stitched in
    already is compiled with it at their next change. A setting that is asked for by name still counts first.

    All of it happens on the project's own calibration split, never on what a benchmark asks. More --answers
    make the choice surer, and take longer. Stopped with Ctrl-C, the same command goes on.

    Example: `monogram calibrate ./my-model --editor neuron`
    """
    place = out if out is not None else Path("out") / _folder(editor, model)
    with progress(as_json, "Reading records") as bars:
        door = the_door()
        record = door.calibrate(model, editor, out=place, gates=gates, answers=answers, progress=bars)
    if as_json:
        emit(record)
    else:
        say(door.found(record))
        say(f"A page with the frontier: {record['page']}")
        say(f"Kept for this model: {record['kept']} (without this file the defaults count again)")


def _folder(editor: str, model: str) -> str:
    """Of a search, by names alone."""
    return "-".join(["calibrate", *(re.sub(r"[^\w.-]+", "-", name).strip("-.") for name in (editor, model))])
