"""The command `serve`: people on one model, over HTTP."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import typer

from monogram.cli.interrupt import interrupt
from monogram.cli.options import Home, Json, Model
from monogram.cli.output import emit_line, explained, say
from monogram.cli.progress import progress
from monogram.cli.shared import the_door


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command(context_settings={"auto_envvar_prefix": "MONOGRAM_SERVE"})(explained(serve))


def _configured(context: typer.Context, file: Path | None) -> Path | None:
    """Let a file's lines be what counts where neither the command nor the environment says anything."""
    if file is None:
        return None
    names = {max(p.opts, key=len).removeprefix("--"): p.name for p in context.command.params}
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}.") from error
    if strange := sorted(set(told) - (set(names) - {"config", "json", "help"})):
        known = ", ".join(sorted(set(names) - {"config", "json", "help"}))
        raise typer.BadParameter(f"{file} says {', '.join(strange)}, which is no option. There are: {known}.")
    context.default_map = {names[name]: value for name, value in told.items()}
    return file


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file of these options (port = 9000).",
            is_eager=True,
            callback=_configured,
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    model: Model = "smollm2",
    rows: Annotated[int, typer.Option(min=1, help="Answers that are written together.")] = 64,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait; one more is refused.")] = 256,
    memory: Annotated[
        int, typer.Option(min=1, help="Megabytes of people's deltas that stay in memory.")
    ] = 256,
    rate: Annotated[
        int, typer.Option(min=0, help="Requests a minute of one tenant; 0: as many as they like.")
    ] = 0,
    engine: Annotated[
        Literal["embedded", "vllm"],
        typer.Option(help="What writes answers: this process, or vLLM servers (`monogram vllm`)."),
    ] = "embedded",
    upstream: Annotated[
        list[str] | None,
        typer.Option(help="With --engine vllm: a vLLM server (http://10.0.0.5:8000); say it for each."),
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--open", help="Let other machines in though there are no API keys.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Serve the model and everybody on it, over the interfaces that assistants already speak.

    Point an OpenAI client at it: the person is the field `user`, or the model `smollm2:alice`. What is known
    of people is at `/v1/memories`, after mem0's names. `/docs` shows every route and tries it.

    Where there are API keys (`monogram keys add TENANT`), every request needs one, and each tenant has people
    of its own. Without any, only this machine may come in.

    With --engine vllm this process takes people's preferences in, and is the gateway to vLLM servers, which
    write the answers; where they ask for a key, VLLM_API_KEY says it here, too.

    Ctrl-C stops it; answers and changes that were begun are finished first. With --json one line tells the
    address when requests are taken. Every option may stand in the environment (MONOGRAM_SERVE_PORT) or in the
    file of --config; what the command says counts first.

    Example: `monogram serve --port 8000`

    Example: `monogram serve --engine vllm --upstream http://127.0.0.1:8001 --upstream http://127.0.0.1:8002`
    """
    del config  # its lines have come in as the options they are
    if (engine == "vllm") != bool(upstream):
        raise typer.BadParameter("--engine vllm and --upstream URL go together.")
    with progress(as_json, f"Loading {model}") as bars:
        door = the_door("serve")
        settings = door.Settings(
            rows=rows,
            queue=queue,
            resident_bytes=memory * 1_000_000,
            rate=rate,
            upstreams=tuple(upstream or ()),
            upstream_key=os.environ.get("VLLM_API_KEY", ""),
        )
        served = door.prepare(
            model, host=host, port=port, home=home, settings=settings, everybody=everybody, progress=bars
        )

    def ready() -> None:
        if as_json:
            emit_line({"url": served.url, "model": model})
            return
        say(f"Serving {model} at {served.url} (every route: {served.url}/docs). Ctrl-C stops it.")

    try:
        served.run(ready)
    except KeyboardInterrupt:  # which the server has dealt with, and hands on
        interrupt.noticed = False
