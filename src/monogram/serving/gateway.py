"""The gateway: answers written by vLLM servers, each with the adapter of the person's present version.

    gateway = Gateway(model, store, ["http://127.0.0.1:8001", "http://127.0.0.1:8002"])

A person's requests go to one replica (rendezvous hashing), where their adapter and the beginning of their
conversations are known; when it is gone, to the next. What a replica that breaks off had written is gone on
with by another. Replicas are asked for tokens alone, so that texts, stops and lengths are those of the
embedded engine.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

import httpx2

from monogram.errors import AdapterFileError, BusyError, NotCompiledError, StoreError
from monogram.models.editable import EditableModel
from monogram.serving.engine import Load, Piece
from monogram.serving.names import NOBODY, name_of
from monogram.serving.problem import log
from monogram.serving.replica import CONNECT, SILENT, Busy, Gone, Refused, Replica
from monogram.serving.sampling import Sampling
from monogram.serving.writer import Writer
from monogram.store.folder import shelf_name
from monogram.store.store import Store

LOOK = 2.0
"""Seconds between two looks at the replicas."""
TIDY = 10.0
"""Seconds that a change waits for the replicas to let go of what was."""
KNOWN = 100_000
"""People of whom it is known which adapter was used last."""


@dataclass
class Gateway:
    """Answers from replicas. `start` it in the event loop that asks.

    Args:
        model: for its tokenizer, its context, and the digest that replicas have to serve.
        store: who is what now.
        urls: the replicas.
        key: their API key; empty where they ask for none.
        most: answers at once; one more is refused.
    """

    model: EditableModel
    store: Store
    urls: Sequence[str]
    key: str = ""
    most: int = 320
    tokens: int = field(default=0, init=False)
    saved: int = field(default=0, init=False)
    """Answers that another replica went on with."""
    replicas: list[Replica] = field(default_factory=list, init=False)
    _writing: Counter[str] = field(default_factory=Counter, init=False)
    _last: OrderedDict[str, str] = field(default_factory=OrderedDict, init=False)
    _telling: set[asyncio.Future[None]] = field(default_factory=set, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _watch: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to look after the replicas."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(SILENT, connect=CONNECT),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )
        self.replicas = [Replica(url.rstrip("/"), client) for url in self.urls]
        self._loop = asyncio.get_running_loop()
        self._watch = self._loop.create_task(self._watching(client))

    def close(self) -> None:
        """Stop; the server has seen the last answer to its end."""
        watch, self._watch = self._watch, None
        if watch is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(watch.cancel)

    @property
    def alive(self) -> bool:
        """Whether any replica takes requests."""
        return self._watch is not None and any(one.alive for one in self.replicas)

    @property
    def load(self) -> Load:
        """How many are being answered; what waits, waits at the replicas."""
        return Load(self._writing.total(), 0)

    @property
    def figures(self) -> Mapping[str, tuple[str, int]]:
        """See `Answers`."""
        return {
            "replicas": ("Replicas that take requests.", sum(one.alive for one in self.replicas)),
            "stale_adapters": (
                "People whose old adapters a replica has yet to let go of.",
                sum(len(one.stale) for one in self.replicas),
            ),
            "answers_saved_total": ("Answers that another replica went on with.", self.saved),
        }

    async def write(self, ids: Sequence[int], user: str | None, sampling: Sampling) -> AsyncIterator[Piece]:
        """See `Answers`."""
        self.model.refuse_longer(len(ids))
        if self._writing.total() >= self.most:
            raise BusyError(f"{self.most} answers are being written, the most there may be. Ask again soon.")
        name = await self._named(user)
        writer, tried = Writer(self.model, sampling, len(ids)), set[str]()
        with self._counted(name):
            while writer.reason is None:
                replica = self._next(user, ids, tried)
                tried.add(replica.url)
                try:
                    pieces = self._written(replica, name, ids, writer, sampling)
                    async with aclosing(pieces):
                        async for piece in pieces:
                            yield piece
                except Gone as error:
                    self.saved += bool(writer.made)
                    log.warning("replica %s broke off (%s); another goes on", replica.url, error)
                    await replica.look(self.model.digest)
                except Busy:
                    continue
                except Refused as error:
                    if not writer.made and await self._named(user) != name:  # it was erased meanwhile
                        break
                    log.error("replica %s refused: %s", replica.url, error)
                    raise AdapterFileError(
                        "The engine does not take this person's adapter; its log says why."
                    ) from error
        if writer.reason is None:
            async for piece in self.write(ids, user, sampling):
                yield piece

    def changed(self, user: str) -> None:
        """See `Answers`: waits until every replica that is there has let go of what was."""
        if self._loop is None:
            return
        try:
            present = name_of(user, self.store.ledger.version(user))
            asyncio.run_coroutine_threadsafe(self._let_go(user, present), self._loop).result()
        except StoreError as error:  # the change has landed all the same
            log.error("replicas were not told of a change: %s", error)

    async def _written(
        self, replica: Replica, name: str, ids: Sequence[int], writer: Writer, sampling: Sampling
    ) -> AsyncGenerator[Piece]:
        """What a replica writes, after what was written before it."""
        prompt, left = [*ids, *writer.made], writer.limit - len(writer.made)
        more = replica.write(name, prompt, sampling, left, sorted(self.model.eos_ids))
        async with aclosing(more):
            async for part in more:
                text = ""
                for token in part.ids:
                    if writer.reason is None:
                        text += writer.add(token)
                        self.tokens += 1
                if writer.reason is None and part.ended:
                    text += writer.close("length" if part.ended == "length" else "stop")
                if writer.reason is not None:
                    yield Piece(text, writer.reason, len(ids), len(writer.made))
                    return
                if text:
                    yield Piece(text)

    async def _named(self, user: str | None) -> str:
        """What somebody's adapter is called now. Raises NotCompiledError, LedgerError."""
        if user is None:
            return NOBODY
        version = await asyncio.to_thread(self.store.ledger.version, user)
        if version is not None and version.folder and version.base_digest != self.model.digest:
            raise NotCompiledError(
                f"The preferences of {user!r} are compiled for another model ('{version.base_name}'). Change "
                "one of them here, or ask for a rebuild, and they are compiled for this one."
            )
        name = name_of(user, version)
        if self._last.get(user, name) != name:  # changed by another process
            self._telling.add(task := asyncio.ensure_future(self._let_go(user, name)))
            task.add_done_callback(self._telling.discard)
        self._last[user] = name
        self._last.move_to_end(user)
        while len(self._last) > KNOWN:
            self._last.popitem(last=False)
        return name

    def _next(self, user: str | None, ids: Sequence[int], tried: set[str]) -> Replica:
        """Who is asked now. Raises BusyError where nobody is left."""
        key = user or hashlib.sha256(repr(list(ids[:256])).encode()).hexdigest()
        there = [one for one in self.replicas if one.alive and one.url not in tried]
        if not there:
            raise BusyError("No engine can answer just now. Ask again in a moment.")
        return max(there, key=lambda one: hashlib.sha256(f"{key} {one.url}".encode()).digest())

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        self._writing[name] += 1
        try:
            yield
        finally:
            self._writing[name] -= 1
            if not self._writing[name]:
                del self._writing[name]

    async def _let_go(self, user: str, present: str) -> None:
        """Note what replicas are to let go of, and tell those that are there; others are told later."""
        shelf, until = shelf_name(user), time.monotonic() + TIDY
        for replica in self.replicas:
            replica.stale[shelf] = present
        while any(shelf in one.stale and one.alive for one in self.replicas) and time.monotonic() < until:
            await asyncio.gather(*(one.tidy(self._writing) for one in self.replicas if one.alive))
            await asyncio.sleep(0.05)

    async def _watching(self, client: httpx2.AsyncClient) -> None:
        async with client:
            while True:
                await asyncio.gather(*(one.look(self.model.digest) for one in self.replicas))
                await asyncio.gather(*(one.tidy(self._writing) for one in self.replicas if one.alive))
                await asyncio.sleep(LOOK)
