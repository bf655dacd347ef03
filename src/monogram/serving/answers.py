"""Who writes answers: the engine in this process, or others behind the gateway. Routes see no difference."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monogram.serving.engine import Engine, Load, Piece
from monogram.serving.residency import Residency
from monogram.serving.sampling import Sampling


class Answers(Protocol):
    """Writes answers for people, each with the adapter of their present version."""

    def start(self) -> None:
        """Begin to work; in a running event loop."""

    def close(self) -> None:
        """Finish what was begun, and stop."""

    def write(self, ids: Sequence[int], user: str | None, sampling: Sampling) -> AsyncIterator[Piece]:
        """An answer's pieces as they come, to a prompt's tokens; `user` None is the base model's.

        Raises:
            InputError: a prompt longer than the context.
            BusyError: there is as much to do as there may be.
            AdapterError, LedgerError: the person's adapter cannot be had.
        """

    def changed(self, user: str) -> None:
        """Let go of what somebody was before a change; from the thread that changed them."""

    @property
    def alive(self) -> bool:
        """Whether requests are taken."""

    @property
    def load(self) -> Load:
        """How busy it is."""

    @property
    def tokens(self) -> int:
        """How many tokens were written so far."""

    @property
    def figures(self) -> Mapping[str, tuple[str, int]]:
        """What else there is to tell: a name, what it means, and how much; a name that ends in `_total` only
        grows."""


@dataclass
class Embedded:
    """The engine of this process, on the model in its memory."""

    engine: Engine
    residency: Residency

    def start(self) -> None:
        """See `Answers`."""
        self.engine.start()

    def close(self) -> None:
        """See `Answers`."""
        self.engine.close()

    async def write(self, ids: Sequence[int], user: str | None, sampling: Sampling) -> AsyncIterator[Piece]:
        """See `Answers`."""
        owner = None if user is None else await asyncio.to_thread(self.residency.owner, user)
        async for piece in self.engine.write(ids, owner, sampling):
            yield piece

    def changed(self, user: str) -> None:
        """See `Answers`: a delta belongs to a version, which is looked up at every request."""

    @property
    def alive(self) -> bool:
        """See `Answers`."""
        return self.engine.alive

    @property
    def load(self) -> Load:
        """See `Answers`."""
        return self.engine.load

    @property
    def tokens(self) -> int:
        """See `Answers`."""
        return self.engine.tokens

    @property
    def figures(self) -> Mapping[str, tuple[str, int]]:
        """See `Answers`."""
        held = self.residency
        return {
            "people_in_memory": ("People whose deltas are in memory.", held.people),
            "delta_bytes": ("Bytes of deltas in memory.", held.nbytes),
            "delta_loads_total": ("Deltas read from disk.", held.loads),
            "delta_hits_total": ("Deltas found in memory.", held.hits),
        }
