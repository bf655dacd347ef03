"""Adapters as an engine may have them: checked, plain, in a private folder of this machine.

An engine reads an adapter again whenever it has let go of it, and one that is not there can take the engine
down. So a folder that was given out stays for as long as the engine runs; what is to be forgotten is
overwritten with an adapter that changes nothing.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from filelock import FileLock, Timeout

from monogram.delta import Delta, save_adapter
from monogram.errors import AdapterFileError, BaseMismatchError
from monogram.lowrank import LowRank
from monogram.serving.names import NOBODY, read_name
from monogram.store.folder import folder_name

PREFIX, LOCK = "monogram-spool-", "lock"


class Shelves(Protocol):
    """Where adapters are kept."""

    def opened(self, shelf: str, name: str, base_digest: str) -> Delta | None:
        """A delta by its shelf and folder; None where there is none."""


@dataclass(frozen=True)
class Takes:
    """What an engine takes.

    Attributes:
        shapes: of each module that an adapter may change, (outputs, inputs).
        rank: the highest of an adapter.
    """

    shapes: Mapping[str, tuple[int, int]]
    rank: int

    def refuse(self, delta: Delta) -> None:
        """Raise AdapterFileError for what would be passed over, cut, or written into answers as nonsense."""
        if delta.rank > self.rank:
            raise AdapterFileError(
                f"Its rank is {delta.rank}, and this engine takes {self.rank}. Start it with a higher "
                "--max-lora-rank."
            )
        for name, factor in delta.factors.items():
            shape = self.shapes.get(name)
            if shape is None:
                raise AdapterFileError(
                    f"It changes {name}, which this engine has no place for: it holds {_some(self.shapes)}. "
                    "Name it in --lora-target-modules, or compile the person anew."
                )
            found = (factor.left.shape[0], factor.right.shape[1])
            if found != shape:
                raise AdapterFileError(f"Its {name} is {found}, the model's is {shape}.")
            if not (factor.left.isfinite().all() and factor.right.isfinite().all()):
                raise AdapterFileError(f"Its {name} holds numbers that are not finite.")


@dataclass
class Spool:
    """The folders that an engine reads.

    Args:
        shelves: where adapters are kept.
        base_digest: of the engine's model.
        takes: what it takes.
        root: this engine's own folder; adapters are personal data, so nobody else may read it.
    """

    shelves: Shelves
    base_digest: str
    takes: Takes
    root: Path
    held: dict[str, list[str]] = field(default_factory=dict, init=False)
    """The names that were given out, by shelf."""
    _alone: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    """Held while a folder is written: who asks for the same one meanwhile gets it whole."""

    def put(self, name: str) -> Path | None:
        """The folder of an adapter, checked; None where there is no such adapter, or no such name.

        Raises:
            AdapterError: there is one, and the engine must not have it.
            StoreError: where adapters are kept cannot be reached.
        """
        with self._alone:
            return self._put(name)

    def _put(self, name: str) -> Path | None:
        if name == NOBODY:
            return self._written(name, Delta.zero())
        named = read_name(name)
        if named is None:
            return None
        if (self.root / name).exists():
            return self.root / name  # as it was given out, or overwritten since
        delta = self.shelves.opened(named.shelf, named.folder, self.base_digest)
        if delta is None:
            return None
        if folder_name(self.base_digest, delta) != named.folder:
            raise BaseMismatchError("It is not the one that it is called, or it is for another base model.")
        self.takes.refuse(delta)
        self.held.setdefault(named.shelf, []).append(name)
        return self._written(name, delta)

    def others(self, shelf: str, but: str) -> list[str]:
        """The names that were given out of a shelf, except one."""
        return [name for name in self.held.get(shelf, []) if name != but]

    def forget(self, name: str) -> Path:
        """Overwrite an adapter with one that changes nothing; its folder."""
        with self._alone:
            folder, named = self._written(name, Delta.zero()), read_name(name)
            if named is not None and name in self.held.get(named.shelf, []):
                self.held[named.shelf].remove(name)
                if not self.held[named.shelf]:
                    del self.held[named.shelf]
        return folder

    def _written(self, name: str, delta: Delta) -> Path:
        folder = self.root / name
        if not delta.factors:  # an adapter of rank one that is zero: engines want a module and its shape
            module, (outputs, inputs) = next(iter(sorted(self.takes.shapes.items())))
            delta = Delta({module: LowRank(torch.zeros(outputs, 1), torch.zeros(1, inputs))})
        save_adapter(delta, folder, base_name="", base_digest=self.base_digest)
        return folder


def private_folder(place: Path) -> Path:
    """A new folder in ``place`` that nobody else may read, and that goes with this process; what processes
    that were killed left there goes now."""
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout), FileLock(left / LOCK, timeout=0):
            shutil.rmtree(left)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    lock = FileLock(made / LOCK)
    lock.acquire()
    atexit.register(_removed, made, lock)
    return made


def _removed(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()


def _some(names: Mapping[str, object]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
