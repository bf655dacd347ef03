"""What SQLite and the disk complain of, said so that a person can act on it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from monogram.errors import DiskFullError, LedgerError, MonogramError, StoreError
from monogram.files import is_disk_full

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH")
INDEX = 64 * 1024
"""Bytes that SQLite's write-ahead log and its index need to begin with."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn complaints about the ledger at ``path`` into a :class:`LedgerError` or :class:`DiskFullError`."""
    try:
        yield
    except MonogramError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _of_sqlite(path, error) from error
    except OSError as error:
        raise of_disk(path, error) from error
    except (ValueError, TypeError) as error:  # a column that holds what cannot be read
        raise LedgerError(_damaged(path, str(error))) from error


def of_disk(path: Path, error: OSError) -> StoreError:
    """The error about something in the store that the disk refused."""
    if is_disk_full(error):
        return DiskFullError(
            f"No room is left on the disk of {path}. Nothing was changed; make room and try again."
        )
    return StoreError(
        f"{path} cannot be read or written: {error.strerror or error}. Look at its permissions; "
        "nothing was changed."
    )


def is_busy(error: BaseException | None) -> bool:
    """Whether SQLite complains that another process is using the ledger."""
    found = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(found, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there.

    Raises:
        StoreError: it could not be removed.
    """
    try:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    except (FileNotFoundError, NotADirectoryError):
        pass  # it was never there, or another process was faster
    except OSError as error:
        raise StoreError(
            f"{path} could not be removed: {error.strerror or error}. Look at its permissions; "
            "what is left of it says something of a person."
        ) from error


def _of_sqlite(path: Path, error: Exception) -> StoreError:
    found = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(found, "sqlite_errorname", ""))
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and _is_full(path)):
        return DiskFullError(
            f"No room is left on the disk of {path}. Nothing was changed; make room and try again."
        )
    if is_busy(found):
        return LedgerError(f"The ledger {path} is in use by another process. Nothing was changed; try again.")
    if name.startswith(_DAMAGED) or not name:
        return LedgerError(_damaged(path, str(found)))
    return LedgerError(f"The ledger {path} cannot be read or written: {found}. Look at its permissions.")


def _is_full(path: Path) -> bool:
    """Whether the disk has no room for the ledger's index: SQLite calls that an I/O error, reading too."""
    try:
        return shutil.disk_usage(path.parent).free < INDEX
    except OSError:
        return False


def _damaged(path: Path, what: str) -> str:
    return f"The ledger {path} is damaged ({what.splitlines()[0]}). Put back a copy of it, or move it away."
