"""The ledger in an SQLite file.

Write-ahead log, so that readers never wait; foreign keys; what is deleted is overwritten; every commit is on
the disk when it returns.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.orm import Session

from monogram.errors import DiskFullError, LedgerError
from monogram.store import database
from monogram.store.trouble import explained, is_busy

_MAKING = threading.Lock()


class SqliteDatabase(database.Database):
    """The file at ``path``, which is made by the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def there(self) -> bool:
        return self.path.exists()

    @contextmanager
    def session(self, *, writing: bool) -> Iterator[Session]:
        if writing:
            self._made()
        engine = open_engine(self.path, "BEGIN IMMEDIATE" if writing else "BEGIN")
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()

    def explained(self) -> AbstractContextManager[None]:
        return explained(self.path)

    def alone(self) -> AbstractContextManager[None]:
        """A file has one machine."""
        return nullcontext()

    def rewrite(self) -> None:
        """The file anew, and the write-ahead log empty."""
        try:
            with self.explained(), self._bare() as raw:
                raw.execute("PRAGMA temp_store = MEMORY")
                raw.execute("VACUUM")
                (busy, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except DiskFullError as error:
            raise DiskFullError(
                f"Something was erased, but there is no room to write {self.path} anew without it. "
                "Make room, and run `monogram verify`."
            ) from error
        except LedgerError as error:
            if not is_busy(error.__cause__):
                raise
            busy = True
        if busy:
            raise LedgerError(
                f"Something was erased, but another process is using {self.path}, so that its file "
                "could not be written anew. Run `monogram verify` when that one has ended."
            )

    def faults(self) -> tuple[str, ...]:
        """What SQLite finds wrong with the file, and whether it has free pages, which may hold old text."""
        if not self.there():
            return ()
        with self.explained(), self._bare() as raw:
            found = [row[0] for row in raw.execute("PRAGMA integrity_check") if row[0] != "ok"]
            lost = raw.execute("PRAGMA foreign_key_check").fetchall()
            found += [f"a row of {row[0]} speaks of one in {row[2]} that is not there" for row in lost]
            (free,) = raw.execute("PRAGMA freelist_count").fetchone()
            return (*found, *([f"it has {free} free pages"] if free else []))

    def _made(self) -> None:
        """Make the file, for its owner alone. One that is there is never opened but by SQLite: whoever closes
        a file loses all locks that the process has on it (fcntl), those of its other threads, too.
        """
        with _MAKING:
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    @contextmanager
    def _bare(self) -> Iterator[Any]:
        """sqlite3's own connection, outside any transaction."""
        connection = open_engine(self.path, "BEGIN").raw_connection()
        try:
            yield connection.driver_connection
        finally:
            connection.close()


def open_engine(path: Path, begin: str) -> Engine:
    """An engine on the file whose transactions begin with the statement `begin`."""
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": database.BUSY_SECONDS})

    def connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # sqlite3 must not begin transactions of its own
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            raw.execute(f"PRAGMA {pragma}").close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
