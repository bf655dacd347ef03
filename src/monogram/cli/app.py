"""All commands, put together."""

from typing import Annotated

import typer

from monogram import __version__
from monogram.cli import (
    bench,
    calibrate,
    change,
    chat,
    compiling,
    data,
    demo,
    erase,
    history,
    keys,
    models,
    people,
    reseal,
    serve,
    transfer,
    verify,
    vllm,
)
from monogram.cli.output import explained
from monogram.cli.welcome import welcome

app = typer.Typer(
    name="monogram",
    invoke_without_command=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"monogram {__version__}")
        raise typer.Exit


@app.callback()
def monogram(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  (its callback answers)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stitch a person's preferences into a language model.

    Each preference gets a neuron of its own; a person becomes a small adapter. No prompt is spent, the base
    model is never written to, and what was put in can be taken out again exactly.

    Start with `monogram demo`. Then:

    - `monogram add alice "I love hiking."`
    - `monogram ask alice "What should I do this weekend?"`
    - `monogram chat alice`
    - `monogram export alice --to peft alice-adapter`

    `monogram history alice` shows what changed, `rollback` goes back, `erase` takes out for good (`forget`
    keeps the history), `verify` checks that all of it holds.

    People and models are kept under MONOGRAM_HOME; the ledger of what is true of whom may be elsewhere, with
    MONOGRAM_LEDGER=postgresql://... or a file, and adapters with MONOGRAM_ADAPTERS=s3://... or a folder.
    Exit codes: 0; 1 for a failure that is explained; 2 for a command that was not understood; 130 after
    Ctrl-C, which loses nothing that was finished.
    """
    if context.invoked_subcommand is None:
        explained(welcome)()


demo.join(app)
change.join(app)
people.join(app)
history.join(app)
erase.join(app)
verify.join(app)
chat.join(app)
transfer.join(app)
models.join(app)
bench.join(app)
calibrate.join(app)
data.join(app)
compiling.join(app)
serve.join(app)
vllm.join(app)
keys.join(app)
reseal.join(app)
