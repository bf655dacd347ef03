"""The command `serve`: people on one model, over HTTP."""

from typing import Annotated

import typer

from monogram.cli.interrupt import interrupt
from monogram.cli.options import Home, Json, Model
from monogram.cli.output import emit_line, explained, say
from monogram.cli.progress import progress
from monogram.cli.shared import the_door

LOCAL = ("127.0.0.1", "localhost", "::1")


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
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Serve the model and everybody on it, over the interfaces that assistants already speak.

    Point an OpenAI client at it: the person is the field `user`, or the model `smollm2:alice`. What is known
    of people is at `/v1/memories`, after mem0's names. `/docs` shows every route and tries it.

    Ctrl-C stops it; answers and changes that were begun are finished first. With --json one line tells the
    address when requests are taken.

    Example: `monogram serve --port 8000`
    """
    with progress(as_json, f"Loading {model}") as bars:
        door = the_door("serve")
        settings = door.Settings(rows=rows, queue=queue, resident_bytes=memory * 1_000_000)
        served = door.prepare(model, host=host, port=port, home=home, settings=settings, progress=bars)

    def ready() -> None:
        if as_json:
            emit_line({"url": served.url, "model": model})
            return
        say(f"Serving {model} at {served.url} (every route: {served.url}/docs). Ctrl-C stops it.")
        if host not in LOCAL:
            say("Whoever reaches this address can read and change everybody's preferences.")

    try:
        served.run(ready)
    except KeyboardInterrupt:  # which the server has dealt with, and hands on
        interrupt.noticed = False
