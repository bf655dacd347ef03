"""The ledger's SQLite file: opened, checked, read as of one moment, written all or nothing.

Write-ahead log, so that readers never wait; foreign keys; every commit is on the disk when it returns.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect
from sqlalchemy.orm import Session

from monogram.errors import LedgerError
from monogram.store.tables import SCHEMA, About, Base
from monogram.store.trouble import explained

BUSY_SECONDS = 20
"""How long one process waits while another writes."""


class Database:
    """The file at ``path``, which is made by the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def read(self) -> Iterator[Session | None]:
        """A session that sees one moment of the ledger; None when nothing was ever written.

        Raises:
            LedgerError: damaged, not ours, or of another schema.
        """
        with explained(self.path):
            if not self.path.exists():
                yield None
                return
            with self._session("BEGIN") as session:
                yield session if self._checked(session) else None

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
                if not self._checked(session):
                    Base.metadata.create_all(session.connection())
                    session.add(About(key="schema", value=str(SCHEMA)))
                yield session
                session.commit()

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        engine = open_engine(self.path, begin)
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()

    def _checked(self, session: Session) -> bool:
        """Whether there are tables yet; an error when they are not ours, or of a schema we don't know."""
        tables = set(inspect(session.connection()).get_table_names())
        if not tables:
            return False
        if not {table.name for table in Base.metadata.sorted_tables} <= tables:
            raise LedgerError(f"{self.path} is not a ledger of monogram. Move it away, or use another home.")
        about = session.get(About, "schema")
        if about is None or about.value != str(SCHEMA):
            found = about.value if about else "none"
            raise LedgerError(
                f"The ledger {self.path} has schema {found}; this version of monogram reads {SCHEMA}. "
                "Use the version of monogram that wrote it."
            )
        return True


def open_engine(path: Path, begin: str) -> Engine:
    """An engine on the file whose transactions begin with the statement `begin`."""
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    def connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # sqlite3 must not begin transactions of its own
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
            raw.execute(f"PRAGMA {pragma}").close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
