"""What `monogram serve` calls: a server on a model and the people who are kept here."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from monogram.errors import InputError
from monogram.keeping import Progress
from monogram.people import load
from monogram.serving.app import app
from monogram.serving.command import vllm_command
from monogram.serving.guard import audit
from monogram.serving.keys import Keys
from monogram.serving.service import Service, Settings

__all__ = ["Keys", "Served", "Settings", "prepare", "replica"]
LOCAL = ("127.0.0.1", "localhost", "::1")


def prepare(
    model: str = "smollm2",
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    home: Path | None = None,
    editor: str | None = None,
    settings: Settings | None = None,
    everybody: bool = False,
    progress: Progress | None = None,
) -> Served:
    """Load the model, and be ready to serve it.

    Args:
        model, home, editor: as `people.load`.
        host, port: where to listen; port 0 takes a free one.
        settings: how it works.
        everybody: whether it may be reached from other machines without a key.
        progress: called while the model is loaded.

    Raises:
        InputError: nobody can listen there, or others could come in without a key; told before the model is
            loaded.
        ModelError, LedgerError, UnknownNameError: as `people.load`.
    """
    if host not in LOCAL and not everybody and not Keys(home).all():
        raise InputError(
            f"At {host} others could read and change everybody's preferences: there is no API key yet. Make "
            "one (monogram keys add TENANT), or say --open."
        )
    listener = _listening(host, port)
    try:
        people = load(model, home=home, editor=editor, progress=progress)
    except BaseException:
        listener.close()
        raise
    return Served(Service(people, settings), listener)


def replica(
    model: str, *, home: Path | None = None, progress: Progress | None = None, **wanted: Any
) -> tuple[dict[str, str], list[str]]:
    """Environment and arguments of a vLLM server for a model; as `people.load` and `vllm_command`."""
    return vllm_command(load(model, home=home, progress=progress).model, **wanted)


class Served:
    """A service at an address."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self.service = service
        self._listener = listener

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Serve until Ctrl-C or SIGTERM; what was begun is finished first.

        Args:
            ready: called when requests are taken.
        """
        _write(audit)
        config = uvicorn.Config(app(self.service), log_level="warning", lifespan="on")
        with self._listener:
            _Announced(config, ready).run([self._listener])


class _Announced(uvicorn.Server):
    """Says when it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _write(logger: logging.Logger) -> None:
    """Let a log be seen, on stderr, unless whoever runs this process has said where it goes."""
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"Nobody can listen on {host}:{port} ({why}). Say another --host or --port."
        ) from error
