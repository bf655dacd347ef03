"""The command `serve`: people on one model, over HTTP."""

from typing import Annotated

import typer

from monogram.cli.interrupt import interrupt
from monogram.cli.options import Home, Json, Model
from monogram.cli.output import emit_line, explained, say
from monogram.cli.progress import progress
from monogram.cli.shared import the_door


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command()(explained(serve))


def serve(
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

    Ctrl-C stops it; answers and changes that were begun are finished first. With --json one line tells the
    address when requests are taken.

    Example: `monogram serve --port 8000`
    """
    with progress(as_json, f"Loading {model}") as bars:
        door = the_door("serve")
        settings = door.Settings(rows=rows, queue=queue, resident_bytes=memory * 1_000_000, rate=rate)
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
