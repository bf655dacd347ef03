"""Who is in memory: the deltas of the people who asked last, under a bound of bytes.

A delta belongs to one version. Which version is present is looked up in the ledger at every request, so a
change shows in the next one, and a forgotten preference is in none.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field

from monogram.delta import Delta
from monogram.errors import NotCompiledError
from monogram.store.facts import Version
from monogram.store.store import Store

BUDGET = 256_000_000
"""Bytes, if nothing is said: some thousand people of SmolLM2 with ten preferences each."""
Key = tuple[str, int]
"""A person, and the number of their version."""


@dataclass
class Residency:
    """Deltas by person. Safe to ask from many threads.

    Args:
        store: where they are kept.
        base_digest: of the model they are for.
        budget: bytes of deltas that stay; the one that is asked for is given out whatever its size.
    """

    store: Store
    base_digest: str
    budget: int = BUDGET
    loads: int = field(default=0, init=False)
    """How many were read from the disk."""
    hits: int = field(default=0, init=False)
    """How many were there already."""
    _held: OrderedDict[Key, Delta] = field(default_factory=OrderedDict, init=False)
    _coming: dict[Key, Future[Delta]] = field(default_factory=dict, init=False)
    _nbytes: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        return self._nbytes

    @property
    def people(self) -> int:
        """How many deltas are held."""
        return len(self._held)

    def owner(self, user: str) -> Delta | None:
        """What is put on the model for somebody, as their present version says; None: nothing.

        Somebody unknown is nothing to anybody, and is answered by the base model.

        Raises:
            NotCompiledError: their present version is for another model.
            AdapterError: the adapter on disk is damaged.
            LedgerError: the ledger cannot be read.
        """
        version = self.store.ledger.version(user)
        if version is None or not version.folder:
            return None
        if version.base_digest != self.base_digest:
            raise NotCompiledError(
                f"The preferences of {user!r} are compiled for another model ('{version.base_name}'). Change "
                "one of them here, or ask for a rebuild, and they are compiled for this one."
            )
        return self._delta(user, version)

    def _delta(self, user: str, version: Version) -> Delta:
        key = (user, version.number)
        with self._lock:
            if (held := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                self.hits += 1
                return held
            coming = self._coming.get(key)
            mine = coming is None
            if coming is None:
                coming = self._coming[key] = Future()
        if mine:
            self._load(key, version, coming)
        return coming.result()

    def _load(self, key: Key, version: Version, coming: Future[Delta]) -> None:
        """Read it, tell all who wait, and let the least recently used go."""
        try:
            delta = self._read(key[0], version)
        except Exception as error:  # noqa: BLE001  (whoever waits for it raises it)
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            return
        with self._lock:
            del self._coming[key]
            self.loads += 1
            for old in [held for held in self._held if held[0] == key[0]]:  # versions that are past
                self._nbytes -= self._held.pop(old).nbytes
            self._held[key] = delta
            self._nbytes += delta.nbytes
            while self._nbytes > self.budget and len(self._held) > 1:
                _, gone = self._held.popitem(last=False)
                self._nbytes -= gone.nbytes
        coming.set_result(delta)

    def _read(self, user: str, version: Version) -> Delta:
        found = self.store.delta(user, version)
        if found is None:
            raise NotCompiledError(
                f"The adapter of version {version.number} of {user!r} is gone. Change one of their "
                "preferences, and it is compiled again."
            )
        return found
