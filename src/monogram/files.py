"""For every room that touches the disk: where things live, hashes, folders that are whole or not there."""

import errno
import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from platformdirs import user_data_dir

from monogram.errors import DiskFullError

LEDGER = "ledger.sqlite3"
"""The file that makes a folder the home of people."""


def home(chosen: Path | None = None) -> Path:
    """Where monogram keeps things: ``chosen``, else ``$MONOGRAM_HOME``, else the user's cache folder.

    People live in `people_home`.
    """
    if chosen is not None:
        return chosen.expanduser().absolute()
    named = os.environ.get("MONOGRAM_HOME")
    if named:
        return Path(named).expanduser().absolute()
    cache = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "monogram"


def people_home(chosen: Path | None = None) -> Path:
    """Where people live: as `home`, but by default the user's data folder, for a cache may be emptied.

    People who already live in the cache folder, where older versions put them, are left there.
    """
    if chosen is not None or os.environ.get("MONOGRAM_HOME"):
        return home(chosen)
    data, before = Path(user_data_dir("monogram", appauthor=False)), home()
    return before if (before / LEDGER).exists() and not (data / LEDGER).exists() else data


def ledger_place(home: Path) -> Path | str:
    """Where the ledger of the people in ``home`` is: what ``$MONOGRAM_LEDGER`` says (a file, or a
    ``postgresql://`` URL), else a file in that folder.
    """
    return _place("MONOGRAM_LEDGER", home / LEDGER)


def adapters_place(home: Path) -> Path | str:
    """Where the adapters of the people in ``home`` are: what ``$MONOGRAM_ADAPTERS`` says (a folder, or a URL
    that `fsspec` knows), else a folder in there.
    """
    return _place("MONOGRAM_ADAPTERS", home / "adapters")


def stays_in_cache(chosen: Path | None = None) -> str:
    """A line about people who live in the cache folder, where older versions put them; empty for others."""
    place = people_home(chosen)
    data = Path(user_data_dir("monogram", appauthor=False))
    if chosen is not None or os.environ.get("MONOGRAM_HOME") or place == data:
        return ""
    return (
        f"People are kept in {place}, a cache that may be emptied. To move them while nothing runs: "
        f"mkdir -p {data} && mv {place}/adapters {place / LEDGER}* {data}"
    )


def sha256(path: Path) -> str:
    """The file's sha256, 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_disk_full(error: BaseException | None) -> bool:
    """Whether ``error`` (or what it came from) says that no room is left.

    safetensors reports it in words instead of an ``OSError``.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(f"(os error {code})" in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
            return True
        error = error.__cause__
    return False


def need_room(folder: Path, nbytes: int) -> None:
    """Raise :class:`DiskFullError` when the disk of ``folder``, there or not, has less than ``nbytes``."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise DiskFullError(
            f"{nbytes / 1e6:.0f} MB are needed in {folder}, but {free / 1e6:.0f} MB are free. "
            "Make room, or let MONOGRAM_HOME name a folder on another disk."
        )


@contextmanager
def aside(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A new empty folder beside ``target`` to write in; it becomes ``target`` when the block ends well.

    Files are on the disk (fsync) before the rename, so ``target`` is whole or not there. When the block
    fails, or the disk is full, what was written is removed and ``target`` stays as it was.

    Raises:
        FileExistsError: ``target`` is there and ``replace`` is false.
        DiskFullError: no room was left while the block ran.
    """
    work = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        work.mkdir(parents=True)
        yield work
        _sync(work)
        _rename(work, target, replace=replace)
    except BaseException as error:
        if is_disk_full(error) and not isinstance(error, DiskFullError):
            raise DiskFullError(
                f"The disk filled up while {target} was written. Make room and try again."
            ) from error
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write a file under; it takes the place of ``path`` when the block ends well.

    The file is on the disk (fsync) before the rename, so ``path`` is whole, or as it was.

    Raises:
        DiskFullError: no room was left while the block ran.
    """
    work = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        yield work
        _sync_one(work)
        work.replace(path)
        _sync_one(path.absolute().parent)
    except BaseException as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"The disk filled up while {path} was written. Make room and try again."
            ) from error
        raise
    finally:
        work.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all; one that is there is replaced. Raises as `whole`."""
    with whole(path) as work:
        work.write_text(text, encoding="utf-8", newline="\n")


def append_line(file: IO[bytes], path: Path, line: str) -> None:
    """Write a line at the end of the open ``file`` at ``path``, and wait until it is on the disk.

    Raises:
        DiskFullError: no room; an unfinished line may be left.
    """
    try:
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"The disk filled up while {path} was written. Make room and run it again."
            ) from error
        raise


def _place(variable: str, otherwise: Path) -> Path | str:
    """The path or URL that a variable of the environment says."""
    named = os.environ.get(variable) or str(otherwise)
    return named if "://" in named else Path(named).expanduser().absolute()


def _rename(work: Path, target: Path, *, replace: bool) -> None:
    if not target.exists():
        work.rename(target)
    elif not replace:
        raise FileExistsError(errno.EEXIST, "is there already", str(target))
    else:
        old = work.with_name(work.name + ".old")
        target.rename(old)
        try:
            work.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _sync_one(target.parent)


def _sync(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    if path.is_dir() and sys.platform == "win32":
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(target: Path) -> None:
    """Remove what a killed :func:`aside` left beside ``target``. Only for the holder of its lock."""
    for left in target.parent.glob(f".{target.name}.*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
