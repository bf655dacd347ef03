"""Before any route: how large a request may be, whose it is, how many of them; after it: a line of audit.

Pure ASGI, so that streams pass through as they come. The audit tells tenant, person, route and outcome, never
a text; a person's id stands there as a digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monogram.errors import StoreError
from monogram.serving.keys import Keys
from monogram.serving.problem import log, told

OPEN = ("/", "/page/style.css", "/page/page.js", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
"""Routes that need no key, and tell nothing of anybody."""
DOCS = "/docs-files"
"""Below it is what `/docs` is made of; open, too."""
MOST_BYTES = 2_000_000
audit = logging.getLogger("monogram.audit")
Refuse = Callable[[int, str, str], Awaitable[None]]
Note = Callable[[str, int, float], None]


@dataclass
class Bucket:
    """So many requests a minute, a minute's worth at once at most."""

    rate: int
    left: float = field(init=False)
    at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left = float(self.rate)

    def take(self) -> bool:
        """Whether one more is within the rate."""
        now = time.monotonic()
        self.left = min(float(self.rate), self.left + (now - self.at) * self.rate / 60)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Guard:
    """Stands before an application.

    Args:
        app: what is guarded.
        note: told of each request that has ended: route, status, seconds.
        keys: whose keys count; where there never was one, everybody is let in, as the tenant "".
        rate: requests a minute of one tenant; 0: as many as they like.
        most: bytes of a request.
    """

    def __init__(self, app: ASGIApp, keys: Keys, note: Note, rate: int = 0, most: int = MOST_BYTES) -> None:
        self._app = app
        self._note = note
        self._keys = keys
        self._rate = rate
        self._most = most
        self._buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted: dict[str, Any] = {"status": 0}

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                noted["status"] = message["status"]
            await send(message)

        async def refuse(status: int, message: str, kind: str) -> None:
            await told(status, message, kind)(scope, receive, sent)

        scope.setdefault("state", {})["tenant"] = ""
        scope["state"]["audit"] = noted
        began = time.perf_counter()
        try:
            if await self._admitted(scope, refuse):
                await self._app(scope, _bounded(receive, self._most), sent)
        except _TooLarge:
            await refuse(413, f"The request has more than {self._most} bytes.", "invalid_request_error")
        finally:
            if not _open(scope["path"]):
                seconds = time.perf_counter() - began
                self._note(_route(scope), noted["status"], seconds)
                _audit(scope, noted, seconds)

    async def _admitted(self, scope: Scope, refuse: Refuse) -> bool:
        """Whether a request may go on; it is answered where not."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._most:
            await refuse(413, f"The request has more than {self._most} bytes.", "invalid_request_error")
            return False
        if _open(scope["path"]):
            return True
        try:
            tenant = self._tenant(headers.get(b"authorization", b""))
        except StoreError as error:
            log.error("%s", error)
            await refuse(500, "The keys cannot be read; the server's log says why.", "server_error")
            return False
        if tenant is None:
            await refuse(401, "No such API key. Send `Authorization: Bearer KEY`.", "authentication_error")
            return False
        scope["state"]["tenant"] = tenant
        if self._rate and not self._buckets.setdefault(tenant, Bucket(self._rate)).take():
            await refuse(429, f"More than {self._rate} requests a minute. Wait a little.", "rate_limit_error")
            return False
        return True

    def _tenant(self, header: bytes) -> str | None:
        """Whose request it is; None where its key is none."""
        if not self._keys.asked_for:
            return ""
        kind, _, secret = header.decode("latin-1").partition(" ")
        return self._keys.tenant(secret.strip()) if kind.lower() == "bearer" else None


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(f"{DOCS}/")


class _TooLarge(Exception):
    """A request without a length went on for too long."""


def _bounded(receive: Receive, most: int) -> Receive:
    """What comes in, up to a bound."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _TooLarge
        return message

    return bounded


def _route(scope: Scope) -> str:
    """The route as it is written, without anybody's ids in it."""
    return str(getattr(scope.get("route"), "path", "none"))


def _audit(scope: Scope, noted: MutableMapping[str, Any], seconds: float) -> None:
    line = {
        "tenant": scope["state"]["tenant"],
        "user": person(noted["user"]) if noted.get("user") else None,
        "method": scope["method"],
        "route": _route(scope),
        "status": noted["status"],
        "seconds": round(seconds, 3),
    }
    audit.info(json.dumps(line))


def person(user: str) -> str:
    """A person's id in logs: always the same, and not the id."""
    return hashlib.sha256(user.encode("utf-8")).hexdigest()[:16]
