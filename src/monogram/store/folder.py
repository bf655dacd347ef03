"""Adapter folders: immutable, named by what is in them, one shelf per person.

    <root>/<sha256 of the user's id, 32 digits>/<of base and delta, 16 digits>/     a plain PEFT folder

A user's id never becomes part of a path. A folder appears whole or not at all. Here they are on a disk;
`remote` keeps them elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from monogram.delta import Delta, load_adapter, save_adapter
from monogram.errors import AdapterError, AdapterFileError, StoreError
from monogram.files import whole
from monogram.peft_folder import WEIGHTS
from monogram.preferences import check_user
from monogram.seal import Seal
from monogram.store.trouble import remove

WAIT_SECONDS = 60
LOCK = "lock"


def shelf_of(root: Path, user: str) -> Path:
    """A person's folder below ``root``, named by a hash of the id."""
    return root / shelf_name(user)


def shelf_name(user: str) -> str:
    """What a person's folder is called."""
    return hashlib.sha256(check_user(user).encode()).hexdigest()[:32]


def folder_name(base_digest: str, delta: Delta) -> str:
    """What the folder of a delta for a base model is called."""
    return hashlib.sha256(f"{base_digest} {delta.digest}".encode()).hexdigest()[:16]


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """No other process or thread of this machine holds ``lock`` for the length of a ``with``.

    Raises:
        StoreError: another one did not let go of it for a minute.
    """
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(lock, timeout=WAIT_SECONDS):
            yield
    except Timeout:
        raise StoreError(
            f"Another process has been writing for {WAIT_SECONDS} s ({lock}). Try again."
        ) from None


@dataclass(frozen=True)
class Sealable:
    """A file that a key seals: its name for people, the place its seal is bound to, and how it is read and
    written (whole, or not at all)."""

    name: str
    place: str
    read: Callable[[], bytes]
    write: Callable[[bytes], object]

    @classmethod
    def on_disk(cls, path: Path, place: str) -> Sealable:
        """A file at ``path``; a full disk is a DiskFullError, and leaves it as it was."""
        return cls(str(path), place, path.read_bytes, partial(_rewrite, path))


class AdapterFolders:
    """All adapter folders below ``root``, which is made when the first is saved; with ``seal``, sealed."""

    def __init__(self, root: Path, seal: Seal | None = None) -> None:
        self.root = root
        self._seal = seal

    def shelf(self, user: str) -> Path:
        """The folder that holds a person's adapter folders."""
        return shelf_of(self.root, user)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else saves or sweeps folders for the length of a ``with``. One lock: a file for each person
        would tell of them after they are gone."""
        with alone(self.root / LOCK):
            yield

    def there(self) -> bool:
        """Whether anything was ever kept."""
        return self.root.exists()

    def where(self, user: str, name: str) -> Path:
        """A folder of a person's."""
        return self.shelf(user) / name

    def save(
        self, user: str, delta: Delta, *, base_name: str, base_digest: str, fan_in_fan_out: bool = False
    ) -> str:
        """Keep a delta. What is there already, whole, is not written again.

        Returns:
            The folder's name.

        Raises:
            DiskFullError, AdapterFileError: it could not be written; nothing is left behind.
        """
        name = folder_name(base_digest, delta)
        folder = self.where(user, name)
        if folder.exists():
            try:
                if load_adapter(folder, base_digest=base_digest, seal=self._seal).digest == delta.digest:
                    return name
            except AdapterError:
                pass  # broken: written anew
        save_adapter(
            delta,
            folder,
            base_name=base_name,
            base_digest=base_digest,
            fan_in_fan_out=fan_in_fan_out,
            seal=self._seal,
        )
        return name

    def load(self, user: str, name: str, *, delta_digest: str, base_digest: str) -> Delta | None:
        """The delta in a person's folder; None when the folder is gone.

        Raises:
            AdapterFileError: its files were cut off or changed.
            BaseMismatchError: it was made for another base model.
        """
        delta = self.opened(shelf_name(user), name, base_digest)
        if delta is not None and delta.digest != delta_digest:
            raise AdapterFileError(f"{self.where(user, name)} holds another delta than the ledger says.")
        return delta

    def opened(self, shelf: str, name: str, base_digest: str) -> Delta | None:
        """The delta in a folder of a shelf, by their names alone; None when it is gone. Raises as `load`."""
        folder = self.root / shelf / name
        if not folder.exists():
            return None
        return load_adapter(folder, base_digest=base_digest, seal=self._seal)

    def sweep(self, user: str, keep: Iterable[str]) -> tuple[Path, ...]:
        """Remove what killed processes left: everything on a person's shelf but ``keep``. Needs the lock.

        Returns:
            What was removed.

        Raises:
            StoreError: something could not be removed.
        """
        kept, shelf = set(keep), self.shelf(user)
        found = shelf.iterdir() if shelf.is_dir() else ()
        return _removed(left for left in found if left.name not in kept)

    def sweep_strangers(self, users: Iterable[str]) -> tuple[Path, ...]:
        """See `sweep_strangers`."""
        return sweep_strangers(self.root, users)

    def sealable(self) -> Iterator[Sealable]:
        """Each adapter's weights; what a killed run left of writing them is removed."""
        for path in sorted(self.root.glob(f"*/*/.{WEIGHTS}.*")):
            path.unlink(missing_ok=True)
        for path in sorted(self.root.glob(f"*/*/{WEIGHTS}")):
            yield Sealable.on_disk(path, f"{path.parent.parent.name}/{path.parent.name}")


def sweep_strangers(root: Path, users: Iterable[str]) -> tuple[Path, ...]:
    """Remove what is below ``root`` of everybody but ``users``, older versions' locks too. Needs the lock.

    Returns:
        What was removed.

    Raises:
        StoreError: something could not be removed.
    """
    known = {LOCK, *(shelf_of(root, user).name for user in users)}
    return _removed(left for left in (root.iterdir() if root.is_dir() else ()) if left.name not in known)


def _rewrite(path: Path, told: bytes) -> None:
    with whole(path) as work:
        work.touch(mode=path.stat().st_mode & 0o777)
        work.write_bytes(told)


def _removed(paths: Iterable[Path]) -> tuple[Path, ...]:
    gone = tuple(paths)
    for path in gone:
        remove(path)
    return gone
