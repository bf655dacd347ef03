"""The engine: one thread that writes everybody's answers, in batches that people join and leave as they come.

    engine = Engine(model)
    async for event in engine.write(messages_ids, owner, Sampling()): ...

Rows of the base model stand beside rows of any number of people. Prompts wait in a queue with a bound; an
answer whose reader has gone is dropped at the next token. Whatever edits the model (an add) must use a twin
of it (`twin`), which has the same weights in memory and hooks of its own.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monogram.errors import BusyError
from monogram.models.editable import EditableModel
from monogram.patch import Attachable
from monogram.serving.batch import Batch, Row
from monogram.serving.sampling import Sampling
from monogram.serving.writer import Reason, Writer


@dataclass(frozen=True)
class Piece:
    """Some of an answer. The last one has a reason, and counts the tokens."""

    text: str
    reason: Reason | None = None
    prompt_tokens: int = 0
    tokens: int = 0


@dataclass(eq=False)
class Job:
    """A request in the engine. `tell` is called from the engine's thread."""

    row: Row
    writer: Writer
    tell: Callable[[Piece | Exception], None]
    gone: bool = False
    """Whether nobody waits for it any more."""


@dataclass(frozen=True)
class Load:
    """What the engine has to do now."""

    running: int
    waiting: int


@dataclass
class Engine:
    """Writes answers on a model, in a thread of its own.

    Args:
        model: the base model; nothing else may attach to it while the engine runs.
        rows: how many answers are written together at most.
        queue: how many requests may wait; one more is refused.
        prompt_tokens: how many tokens of prompts are read between two steps of those that are being written.
    """

    model: EditableModel
    rows: int = 64
    queue: int = 256
    prompt_tokens: int = 4096
    tokens: int = field(default=0, init=False)
    """How many tokens were written so far, for everybody."""
    _waiting: deque[Job] = field(default_factory=deque, init=False)
    _running: list[Job] = field(default_factory=list, init=False)
    _batch: Batch | None = field(default=None, init=False)
    _wake: threading.Condition = field(default_factory=threading.Condition, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _closing: bool = field(default=False, init=False)

    def start(self) -> None:
        """Begin to work; once."""
        self._thread = threading.Thread(target=self._work, name="monogram-engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what was begun or waits to its end, take no more, and stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether it works, and takes requests."""
        return self._thread is not None and self._thread.is_alive() and not self._closing

    @property
    def load(self) -> Load:
        """How busy it is."""
        with self._wake:
            return Load(len(self._running), len(self._waiting))

    def submit(
        self,
        ids: Sequence[int],
        owner: Attachable | None,
        sampling: Sampling,
        tell: Callable[[Piece | Exception], None],
    ) -> Job:
        """Ask for an answer. `tell` gets its pieces, in the engine's thread; an exception ends it.

        Raises:
            InputError: a prompt longer than the context.
            BusyError: as many wait as may, or the engine is closing.
        """
        self.model.refuse_longer(len(ids))
        job = Job(Row(ids, owner, sampling), Writer(self.model, sampling, len(ids)), tell)
        with self._wake:
            if self._closing:
                raise BusyError("The server is shutting down. Ask again in a moment.")
            if len(self._waiting) >= self.queue:
                raise BusyError(
                    f"{len(self._waiting)} requests wait already, which is the most. Ask again in a moment."
                )
            self._waiting.append(job)
            self._wake.notify()
        return job

    async def write(
        self, ids: Sequence[int], owner: Attachable | None, sampling: Sampling
    ) -> AsyncIterator[Piece]:
        """An answer's pieces as they come; whoever stops listening ends it. Raises as `submit`."""
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[Piece | Exception]()

        def tell(piece: Piece | Exception) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        job = self.submit(ids, owner, sampling, tell)
        try:
            while True:
                piece = await pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.reason is not None:
                    return
        finally:
            job.gone = True

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self._waiting or self._running or self._closing):
                    self._wake.wait()
                if self._closing and not (self._waiting or self._running):
                    return
                new = self._admitted()
            try:
                self._turn(new)
            except Exception as error:  # noqa: BLE001  (it goes to those who wait, and to nobody after them)
                self._drop(error, new)

    def _admitted(self) -> list[Job]:
        """Who is let in now: the first that wait, while there is room for rows and their prompts' tokens."""
        found: list[Job] = []
        tokens = 0
        while self._waiting and len(self._running) + len(found) < self.rows:
            job = self._waiting[0]
            if job.gone:
                self._waiting.popleft()
                continue
            tokens += len(job.row.ids)
            if found and tokens > self.prompt_tokens:
                break
            found.append(self._waiting.popleft())
        return found

    def _turn(self, new: list[Job]) -> None:
        """One token for everybody, the first for those who are new."""
        if self._batch is not None:
            self._hand_out(self._batch.step(), self._running)
            self._leave(self._batch)
        if not new:
            return
        if self._batch is not None:
            self._batch.close()
        begun = Batch.begin(self.model, [job.row for job in new])
        self._hand_out(begun.tokens, new)
        with self._wake:
            self._running += new
        if self._batch is None:
            self._batch = begun
        else:
            self._batch.join(begun)
        self._leave(self._batch)

    def _hand_out(self, tokens: Sequence[int], jobs: Sequence[Job]) -> None:
        self.tokens += len(tokens)
        for job, token in zip(jobs, tokens, strict=True):
            if job.gone:
                continue
            text, reason = job.writer.add(token), job.writer.reason
            if reason is not None:
                _tell(job, Piece(text, reason, len(job.row.ids), len(job.writer.made)))
            elif text:
                _tell(job, Piece(text))

    def _leave(self, batch: Batch) -> None:
        """Take those out who are done, or whose reader has gone."""
        stay = [n for n, job in enumerate(self._running) if job.writer.reason is None and not job.gone]
        batch.keep(stay)
        with self._wake:
            self._running = [self._running[n] for n in stay]
        if not stay:
            self._batch = None

    def _drop(self, error: Exception, new: Sequence[Job]) -> None:
        """Tell everybody in the batch, and begin afresh."""
        if self._batch is not None:
            self._batch.close()
        with self._wake:
            jobs, self._running, self._batch = [*self._running, *new], [], None
        for job in dict.fromkeys(jobs):
            if job.writer.reason is None and not job.gone:
                _tell(job, error)


def _tell(job: Job, piece: Piece | Exception) -> None:
    """A reader that cannot be told is gone; the others are not to suffer from it."""
    try:
        job.tell(piece)
    except Exception:  # noqa: BLE001  (whatever it is, it is this reader's alone)
        job.gone = True


def twin(em: EditableModel) -> EditableModel:
    """The same model with the same weights in memory, and modules of its own: what is put on one of them is
    not on the other.
    """
    shared: dict[int, Any] = {id(t): t for t in (*em.model.parameters(), *em.model.buffers())}
    made = EditableModel(copy.deepcopy(em.model, shared), em.tokenizer, em.layout, em.name)
    made.__dict__["digest"] = em.digest
    return made
