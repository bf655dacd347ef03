"""The ledger in a PostgreSQL database, for a service of several servers.

One writer at a time, whichever server it is on: an advisory lock that ends with the transaction. Readers
never wait, and see one moment. What was erased goes from the tables' files when they are written anew; the
server's write-ahead log and its backups keep it for as long as its administrator lets them.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from monogram.errors import DiskFullError, InputError, LedgerError, MonogramError
from monogram.store import database
from monogram.store.tables import Base

LOCK = int.from_bytes(b"monogram", "big")
"""The key of the advisory lock that a writer holds."""
FOLDERS = int.from_bytes(b"adapters", "big")
"""That of the one which whoever writes or sweeps adapter folders holds."""
BUSY, FULL = "55P03", "53100"
"""SQLSTATE of a lock that was not had in time, and of a full disk (PostgreSQL's appendix A)."""


class PostgresDatabase(database.Database):
    """The database at a URL, `postgresql://user:password@host/name`; the first write makes its tables."""

    def __init__(self, url: str) -> None:
        try:
            asked = make_url(url)
        except (ArgumentError, ValueError) as error:
            raise InputError(f"The ledger's URL cannot be read: {error}.") from error
        self.name = asked.render_as_string(hide_password=True)
        if asked.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise InputError(f"A ledger is a file or a postgresql:// URL, not {self.name}.")
        try:
            self._engine: Engine = create_engine(
                asked.set(drivername="postgresql+psycopg"), pool_pre_ping=True
            )
        except ModuleNotFoundError as error:
            raise LedgerError(
                f"The ledger {self.name} needs {error.name}, which is not installed: pip install "
                "'monogram[postgres]'."
            ) from error
        weakref.finalize(self, self._engine.dispose)  # its connections close with it

    def there(self) -> bool:
        return True  # whether it has tables is asked within the transaction

    @contextmanager
    def session(self, *, writing: bool) -> Iterator[Session]:
        level = "READ COMMITTED" if writing else "REPEATABLE READ"  # one that waited reads what is there then
        engine = self._engine.execution_options(isolation_level=level, postgresql_readonly=not writing)
        with Session(engine) as session:
            if writing:
                session.execute(text(f"SET LOCAL lock_timeout = {_patience()}"))
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            yield session

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except MonogramError:
            raise
        except DBAPIError as error:
            raise self._said(error) from error
        except (SQLAlchemyError, ValueError, TypeError) as error:  # a column that holds what cannot be read
            raise LedgerError(
                f"The ledger {self.name} is damaged ({_line(error)}). Put back a copy of it."
            ) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """By an advisory lock of its own, that ends with the process, too."""
        with ExitStack() as held:
            with self.explained():
                connection = held.enter_context(self._engine.connect())
                connection.execute(text(f"SET LOCAL lock_timeout = {_patience()}"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FOLDERS})
            yield

    def rewrite(self) -> None:
        """The tables' files anew."""
        whole = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with self.explained(), whole.connect() as connection:
            there = set(inspect(connection).get_table_names())
            connection.execute(text(f"SET lock_timeout = {_patience()}"))
            try:
                for table in Base.metadata.sorted_tables:
                    if table.name in there:
                        connection.execute(text(f"VACUUM (FULL) {table.name}"))
            finally:
                connection.execute(text("RESET lock_timeout"))

    def faults(self) -> tuple[str, ...]:
        """None: PostgreSQL holds its rows together itself, and tells its administrator what it finds."""
        return ()

    def _said(self, error: DBAPIError) -> LedgerError | DiskFullError:
        code = getattr(error.orig, "sqlstate", None)
        if code == FULL:
            return DiskFullError(
                f"No room is left on the disk of {self.name}. Nothing was changed; make room and try again."
            )
        if code == BUSY:
            return LedgerError(
                f"The ledger {self.name} is in use by another process. Nothing was changed; try again."
            )
        if code is None:
            return LedgerError(
                f"The ledger {self.name} cannot be reached: {_line(error.orig)}. Is the server running, and "
                "is the URL right? Nothing was changed."
            )
        return LedgerError(f"The ledger {self.name} cannot be read or written: {_line(error.orig)}.")


def _patience() -> str:
    """How long a lock is waited for."""
    return f"'{1000 * database.BUSY_SECONDS:.0f}ms'"


def _line(error: BaseException | None) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
