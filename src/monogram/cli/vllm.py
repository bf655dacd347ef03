"""The command `vllm`: a vLLM server that has people's adapters, behind the gateway."""

import os
import shlex
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from monogram.cli.options import Home, Json
from monogram.cli.output import emit, explained, remark, say
from monogram.cli.progress import progress
from monogram.cli.shared import the_door
from monogram.errors import InputError


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command()(explained(vllm))


def vllm(
    model: Annotated[
        str, typer.Argument(help="smollm2, a folder or a hub id; the gateway's own.")
    ] = "smollm2",
    more: Annotated[
        list[str] | None, typer.Argument(help="Further options of `vllm serve`, after `--`.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens, for the gateway alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8001,
    rank: Annotated[int, typer.Option(help="Most preferences of one person: 1, 8, 16, ..., 512.")] = 64,
    at_once: Annotated[int, typer.Option(min=1, help="People in one batch.")] = 16,
    held: Annotated[int, typer.Option(min=1, help="Adapters that stay in its memory.")] = 256,
    layer: Annotated[
        list[int] | None,
        typer.Option(help="A layer that adapters change; the editor's own where nothing is said."),
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Print the command instead of running it.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run a vLLM server that brings people's adapters when they are asked for; `serve --engine vllm` asks.

    Needs monogram and vLLM in one environment, and the same MONOGRAM_HOME, MONOGRAM_ADAPTERS and
    MONOGRAM_KEY_FILE as the gateway. Say VLLM_API_KEY to both, and let nobody but the gateway reach this
    port: not every route of vLLM asks for the key.

    Adapters of other layers, higher ranks or other models are refused, and the log says why.

    Example: `monogram vllm smollm2 --port 8001 -- --enforce-eager`

    Example: `monogram vllm smollm2 --print`
    """
    with progress(as_json, f"Loading {model}") as bars:
        environment, arguments = the_door("serve").replica(
            model,
            home=home,
            progress=bars,
            host=host,
            port=port,
            rank=rank,
            at_once=at_once,
            held=held,
            layers=tuple(layer or ()),
        )
    arguments += more or []
    if as_json:
        emit({"environment": environment, "arguments": arguments})
        return
    line = " ".join([*(f"{k}={shlex.quote(v)}" for k, v in environment.items()), shlex.join(arguments)])
    if show:
        say(line)
        return
    if find_spec("vllm") is None:
        raise InputError(
            "vLLM is not installed in this environment. Install it beside monogram (docs/vllm.md), or say "
            "--print and run the command where it is."
        )
    remark(line)
    python = sys.executable  # not "python": by its first word it finds its environment
    os.execve(python, [python, *arguments[1:]], {**os.environ, **environment})
