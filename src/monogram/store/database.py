"""The ledger's SQLite file: opened, checked, brought to today's schema, read as of one moment, written all or
nothing, and rewritten where something was erased.

Write-ahead log, so that readers never wait; foreign keys; what is deleted is overwritten; every commit is on
the disk when it returns.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect
from sqlalchemy.orm import Session

from monogram.errors import DiskFullError, LedgerError
from monogram.store.migrations import STEPS, migrate
from monogram.store.tables import SCHEMA, About, Base
from monogram.store.trouble import explained, is_busy

BUSY_SECONDS = 20
"""How long one process waits while another writes."""


class Database:
    """The file at ``path``, which is made by the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def read(self) -> Iterator[Session | None]:
        """A session that sees one moment of the ledger; None when nothing was ever written.

        A ledger of an older schema is brought to today's first.

        Raises:
            LedgerError: damaged, not ours, or of a newer schema.
        """
        with explained(self.path):
            if not self.path.exists():
                yield None
                return
            while True:
                with self._session("BEGIN") as session:
                    schema = self._schema(session)
                    if not 0 < schema < SCHEMA:
                        yield session if schema else None
                        return
                with self.write():
                    pass

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes all land when the block ends well, one writer at a time.

        Raises:
            LedgerError: as `read`; or another process did not stop writing.
            DiskFullError: no room; nothing was written.
        """
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # about people: for its owner alone
            with self._session("BEGIN IMMEDIATE") as session:
                schema = self._schema(session)
                if not schema:
                    Base.metadata.create_all(session.connection())
                    session.add(About(key="schema", value=str(SCHEMA)))
                elif schema < SCHEMA:
                    migrate(session.connection(), schema, SCHEMA)
                yield session
                session.commit()

    def rewrite(self) -> None:
        """Write the file anew without anything that was deleted, and empty the write-ahead log.

        Raises:
            LedgerError: another process kept reading or writing.
            DiskFullError: no room for it.
        """
        try:
            with explained(self.path), self._bare() as raw:
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
        if not self.path.exists():
            return ()
        with explained(self.path), self._bare() as raw:
            found = [row[0] for row in raw.execute("PRAGMA integrity_check") if row[0] != "ok"]
            lost = raw.execute("PRAGMA foreign_key_check").fetchall()
            found += [f"a row of {row[0]} speaks of one in {row[2]} that is not there" for row in lost]
            (free,) = raw.execute("PRAGMA freelist_count").fetchone()
            return (*found, *([f"it has {free} free pages"] if free else []))

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        engine = open_engine(self.path, begin)
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()

    @contextmanager
    def _bare(self) -> Iterator[Any]:
        """sqlite3's own connection, outside any transaction."""
        connection = open_engine(self.path, "BEGIN").raw_connection()
        try:
            yield connection.driver_connection
        finally:
            connection.close()

    def _schema(self, session: Session) -> int:
        """The ledger's schema, 0 where there are no tables yet; an error for one that cannot be read."""
        tables = set(inspect(session.connection()).get_table_names())
        if not tables:
            return 0
        about = session.get(About, "schema") if "about" in tables else None
        if about is None or not {"users", "versions", "events"} <= tables:
            raise LedgerError(f"{self.path} is not a ledger of monogram. Move it away, or use another home.")
        found = about.value
        if found != str(SCHEMA) and found not in map(str, STEPS):
            raise LedgerError(
                f"The ledger {self.path} has schema {found}; this version of monogram reads up to {SCHEMA}. "
                "Use the version of monogram that wrote it, or a newer one."
            )
        return int(found)


def open_engine(path: Path, begin: str) -> Engine:
    """An engine on the file whose transactions begin with the statement `begin`."""
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    def connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # sqlite3 must not begin transactions of its own
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            raw.execute(f"PRAGMA {pragma}").close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
