"""Where the ledger's rows are: brought to today's schema, read as of one moment, written all or nothing.

A file is SQLite's (`sqlite`), a URL leads to PostgreSQL (`postgres`); the ledger does not know which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from monogram.errors import LedgerError
from monogram.store.migrations import STEPS, migrate
from monogram.store.tables import SCHEMA, About, Base

BUSY_SECONDS = 20
"""How long one process waits while another writes."""


class Database(ABC):
    """A place of rows. `name` is what people are told it is."""

    name: str

    @contextmanager
    def read(self) -> Iterator[Session | None]:
        """A session that sees one moment of the ledger; None when nothing was ever written.

        A ledger of an older schema is brought to today's first.

        Raises:
            LedgerError: damaged, not ours, of a newer schema, or out of reach.
        """
        with self.explained():
            if not self.there():
                yield None
                return
            while True:
                with self.session(writing=False) as session:
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
        with self.explained(), self.session(writing=True) as session:
            schema = self._schema(session)
            if not schema:
                Base.metadata.create_all(session.connection())
                session.add(About(key="schema", value=str(SCHEMA)))
            elif schema < SCHEMA:
                migrate(session.connection(), schema, SCHEMA)
            yield session
            session.commit()

    @abstractmethod
    def there(self) -> bool:
        """Whether there is anything that could be read."""

    @abstractmethod
    def session(self, *, writing: bool) -> AbstractContextManager[Session]:
        """A session in a transaction; of one that writes there is one at a time."""

    @abstractmethod
    def explained(self) -> AbstractContextManager[None]:
        """What goes wrong inside becomes a LedgerError or a DiskFullError that a person can act on."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """No other machine is inside for the length of a `with`.

        Raises:
            LedgerError: another one did not come to an end.
        """

    @abstractmethod
    def rewrite(self) -> None:
        """Write everything anew without anything that was deleted.

        Raises:
            LedgerError: another process kept reading or writing.
            DiskFullError: no room for it.
        """

    @abstractmethod
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the place itself, and whether anything deleted may still be read in it."""

    def _schema(self, session: Session) -> int:
        """The ledger's schema, 0 where there are no tables yet; an error for one that cannot be read."""
        tables = set(inspect(session.connection()).get_table_names())
        if not tables:
            return 0
        about = session.get(About, "schema") if "about" in tables else None
        if about is None or not {"users", "versions", "events"} <= tables:
            raise LedgerError(f"{self.name} is not a ledger of monogram. Move it away, or use another home.")
        found = about.value
        if found != str(SCHEMA) and found not in map(str, STEPS):
            raise LedgerError(
                f"The ledger {self.name} has schema {found}; this version of monogram reads up to {SCHEMA}. "
                "Use the version of monogram that wrote it, or a newer one."
            )
        return int(found)


def database_at(place: Path | str) -> Database:
    """The database at a path, or at a `postgresql://` URL.

    Raises:
        InputError: a URL of something else.
        LedgerError: PostgreSQL's driver is not installed.
    """
    if "://" in str(place):
        from monogram.store.postgres import PostgresDatabase

        return PostgresDatabase(str(place))
    from monogram.store.sqlite import SqliteDatabase

    return SqliteDatabase(Path(place))
