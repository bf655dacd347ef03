"""Adapter folders in a file system that `fsspec` knows (S3, GCS, Azure, SFTP, ...), for several servers.

    <url>/<sha256 of the user's id, 32 digits>/<of base and delta, 16 digits>/      as in `folder`

No such system can rename a folder. So a folder's record is written last, and whatever is read is held against
its digests: one that a killed process left half there counts as none, and the ledger, which is written after
it, never spoke of it. Nothing is kept on the server's own disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from fsspec.core import url_to_fs
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from monogram.delta import Delta, load_adapter, save_adapter
from monogram.errors import AdapterError, AdapterFileError, InputError, StoreError
from monogram.peft_folder import CONFIG, RECORD, WEIGHTS
from monogram.seal import Seal
from monogram.store.folder import LOCK, Sealable, alone, folder_name, shelf_name

FILES = (CONFIG, WEIGHTS, RECORD)
"""A folder's files in the order in which they are written."""


class RemoteFolders:
    """All adapter folders below ``url``; with ``seal``, sealed. What `fsspec` has to know (keys, endpoints)
    comes from its own configuration and the environment.

    Args:
        home: this machine's own folder, where its processes wait for each other.

    Raises:
        InputError: a URL that no installed file system takes.
    """

    def __init__(self, url: str, home: Path, seal: Seal | None = None) -> None:
        self.name = _hidden(url)
        try:
            with self._explained(ImportError, ValueError):
                self._system, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(f"Adapters cannot be kept at {self.name}: {error}.") from error
        self._root = str(root).rstrip("/")
        self._home = home
        self._seal = seal

    def there(self) -> bool:
        """Whether anything was ever kept."""
        with self._explained():
            return bool(self._system.exists(self._root))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else of this machine saves or sweeps for the length of a ``with``; other machines are kept
        waiting by the ledger's database."""
        with alone(self._home / f"adapters.{LOCK}"):
            yield

    def where(self, user: str, name: str) -> str:
        """A folder of a person's, for people to read."""
        return f"{self.name}/{shelf_name(user)}/{name}"

    def save(
        self, user: str, delta: Delta, *, base_name: str, base_digest: str, fan_in_fan_out: bool = False
    ) -> str:
        """Keep a delta, and return its folder's name. What is there already, whole, is not written again.

        Raises:
            StoreError: it could not be written.
        """
        name = folder_name(base_digest, delta)
        with suppress(AdapterError):  # broken: written anew
            found = self.opened(shelf_name(user), name, base_digest)
            if found is not None and found.digest == delta.digest:
                return name
        with TemporaryDirectory(prefix="monogram-") as aside:
            folder = Path(aside, shelf_name(user), name)
            save_adapter(
                delta,
                folder,
                base_name=base_name,
                base_digest=base_digest,
                fan_in_fan_out=fan_in_fan_out,
                seal=self._seal,
            )
            place = f"{self._root}/{shelf_name(user)}/{name}"
            with self._explained():
                self._system.makedirs(place, exist_ok=True)
            for file in FILES:
                self._write(f"{place}/{file}", (folder / file).read_bytes())
        return name

    def load(self, user: str, name: str, *, delta_digest: str, base_digest: str) -> Delta | None:
        """The delta in a person's folder; None when the folder is gone.

        Raises:
            AdapterFileError: its files were cut off or changed.
            BaseMismatchError: it was made for another base model.
            StoreError: the file system cannot be reached.
        """
        delta = self.opened(shelf_name(user), name, base_digest)
        if delta is not None and delta.digest != delta_digest:
            raise AdapterFileError(f"{self.where(user, name)} holds another delta than the ledger says.")
        return delta

    def opened(self, shelf: str, name: str, base_digest: str) -> Delta | None:
        """The delta in a folder of a shelf, by their names alone; None when it is gone. Raises as `load`."""
        place = f"{self._root}/{shelf}/{name}"
        with TemporaryDirectory(prefix="monogram-") as aside:
            folder = Path(aside, shelf, name)
            folder.mkdir(parents=True)
            for file in FILES:
                with suppress(FileNotFoundError):
                    (folder / file).write_bytes(self._read(f"{place}/{file}"))
            if not any(folder.iterdir()):
                return None
            try:
                if not (folder / RECORD).exists():
                    raise AdapterFileError(f"{folder} was not written to its end.")
                return load_adapter(folder, base_digest=base_digest, seal=self._seal)
            except AdapterError as error:  # it speaks of the place it was read into
                raise type(error)(str(error).replace(str(folder), f"{self.name}/{shelf}/{name}")) from error

    def sweep(self, user: str, keep: Iterable[str]) -> tuple[str, ...]:
        """Remove everything on a person's shelf but ``keep``; returns what was removed. Needs the lock.

        Raises:
            StoreError: something could not be removed.
        """
        return self._swept(f"{self._root}/{shelf_name(user)}", set(keep))

    def sweep_strangers(self, users: Iterable[str]) -> tuple[str, ...]:
        """Remove what is of none of ``users``; returns what was removed. Needs the lock; as `sweep`."""
        return self._swept(self._root, {shelf_name(user) for user in users})

    def sealable(self) -> Iterator[Sealable]:
        """Each adapter's weights."""
        with self._explained():
            found = sorted(map(str, self._system.glob(f"{self._root}/*/*/{WEIGHTS}")))
        for path in found:
            *_, shelf, name, _ = path.split("/")
            file = f"{self.name}/{shelf}/{name}/{WEIGHTS}"
            yield Sealable(file, f"{shelf}/{name}", partial(self._read, path), partial(self._write, path))

    def _swept(self, folder: str, keep: set[str]) -> tuple[str, ...]:
        with self._explained():
            self._system.invalidate_cache()
            try:
                found = [str(path).rstrip("/") for path in self._system.ls(folder, detail=False)]
            except FileNotFoundError:
                return ()
            gone = [path for path in found if path.rpartition("/")[2] not in keep]
            for path in gone:
                with suppress(FileNotFoundError):  # another process was faster
                    self._system.rm(path, recursive=True)
        return tuple(gone)

    def _read(self, path: str) -> bytes:
        """Raises FileNotFoundError where there is none."""
        with self._explained(FileNotFoundError):
            return bytes(self._system.cat_file(path))

    def _write(self, path: str, told: bytes) -> None:
        with self._explained():
            self._system.pipe_file(path, told)

    @contextmanager
    def _explained(self, *but: type[Exception]) -> Iterator[None]:
        """What goes wrong inside becomes a StoreError; `but` what is caught elsewhere."""
        try:
            yield
        except but:
            raise
        except Exception as error:  # each file system has errors of its own
            raise StoreError(
                f"Adapters at {self.name} cannot be read or written: {type(error).__name__}: {error}. Is it "
                "reachable, and are you allowed to?"
            ) from error


def _hidden(url: str) -> str:
    """The URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return url.partition("://")[0] + "://..."
