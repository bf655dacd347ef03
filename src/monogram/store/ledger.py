"""The ledger: every preference that a person added, replaced or forgot, and the versions made of them.

It is the source of truth. It lives in one SQLite file, or in a PostgreSQL database (`database`), is only ever
added to unless something is erased, and every change lands whole or not at all. Knows nothing of files beside
it, models or torch.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from monogram.errors import ChangedMeanwhileError
from monogram.preferences import Preference, check_user
from monogram.store.database import database_at
from monogram.store.facts import Draft, Event, Kind, Version, ever, set_at, set_digest
from monogram.store.rows import (
    erase_person,
    erase_rows,
    event_of,
    events_of,
    owner_of,
    version_of,
    versions_of,
)
from monogram.store.tables import ErasureRow, UserRow, VersionRow

__all__ = ["Draft", "Event", "Kind", "Ledger", "Version", "ever", "set_at", "set_digest"]


class Ledger:
    """The ledger at ``place``: an SQLite file, which is made by the first change, or a `postgresql://` URL.

    Raises:
        InputError: a URL of something else.
        LedgerError: PostgreSQL's driver is not installed.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._database = database_at(place)

    def users(self) -> tuple[str, ...]:
        """Everybody with a history, by id, sorted."""
        with self._database.read() as session:
            return tuple(sorted(session.scalars(select(UserRow.name)))) if session else ()

    def present(self, user: str) -> tuple[Preference, ...]:
        """What is true of a person now, oldest first. Empty for somebody unknown.

        Raises:
            LedgerError: the ledger is damaged, or somebody changed a line of it.
        """
        return set_at(self.history(user))

    def history(self, user: str) -> tuple[Event, ...]:
        """Everything that happened, oldest first."""
        with self._database.read() as session:
            return events_of(session, check_user(user)) if session else ()

    def versions(self, user: str) -> tuple[Version, ...]:
        """A person's versions that are still there, oldest first; the last one is present."""
        with self._database.read() as session:
            return versions_of(session, check_user(user)) if session else ()

    def version(self, user: str, base_digest: str | None = None) -> Version | None:
        """A person's newest version, or the newest for one base model."""
        user = check_user(user)
        with self._database.read() as session:
            row = _newest(session, user, base_digest) if session else None
            return version_of(user, row) if row else None

    def head(self, user: str) -> int:
        """Number of a person's newest version; 0 before the first."""
        newest = self.version(user)
        return newest.number if newest else 0

    def folders(self, user: str) -> frozenset[str]:
        """The adapter folders that any of a person's versions speaks of."""
        mine = select(VersionRow.folder).join(UserRow, VersionRow.user_id == UserRow.id)
        with self._database.read() as session:
            found = session.scalars(mine.where(UserRow.name == check_user(user))) if session else ()
            return frozenset(name for name in found if name)

    def commit(
        self,
        user: str,
        changes: Sequence[tuple[Kind, Preference]],
        draft: Draft,
        *,
        after: int,
        restored: int | None = None,
        erased: Collection[str] = (),
    ) -> Version:
        """Write down changes together with the version that has them, in one transaction.

        Args:
            changes: what happened, in order; empty when the same set was compiled for another model.
            draft: the version.
            after: the person's newest version when the change was begun.
            restored: the version that this one returns to.
            erased: digests of preferences to erase. What speaks of them goes in the same transaction: their
                events, and every version that held one. Call `rewrite` afterwards.

        Raises:
            LedgerError: somebody else changed this person since, or the ledger cannot be written.
            DiskFullError: no room; nothing was written.
        """
        user = check_user(user)
        with self._database.write() as session:
            owner = owner_of(session, user)
            newest = _newest(session, user, None)
            head = newest.number if newest else 0
            if head != after:
                raise _lost(user, head, after)
            if owner is None:
                owner = UserRow(name=user)
                session.add(owner)
                session.flush()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            row = VersionRow(
                user_id=owner.id, number=head + 1, created=now, preferences_digest="", **asdict(draft)
            )
            session.add(row)
            if restored is not None:
                session.add(event_of(owner, row, "rolled back", restored=restored))
            for kind, preference in changes:
                session.add(event_of(owner, row, kind, preference))
                session.flush()
            if erased:
                erase_rows(session, owner, row, frozenset(erased))
            session.flush()
            row.preferences_digest = set_digest(set_at(events_of(session, user)))
            session.flush()
            return version_of(user, row)

    def erase_person(self, user: str, *, after: int) -> None:
        """Erase somebody altogether. Call `rewrite` afterwards. Raises as `commit`."""
        user = check_user(user)
        with self._database.write() as session:
            owner, newest = owner_of(session, user), _newest(session, user, None)
            head = newest.number if newest else 0
            if head != after:
                raise _lost(user, head, after)
            if owner is not None:
                erase_person(session, owner)

    def unfinished(self) -> dict[int, str | None]:
        """Erasures that are not finished: their keys, and whose each is (None: of somebody who is gone)."""
        mine = select(ErasureRow.id, UserRow.name).join(UserRow, isouter=True)
        with self._database.read() as session:
            return {row.id: row.name for row in session.execute(mine)} if session else {}

    def rewrite(self, finished: Collection[int] = ()) -> None:
        """Write everything anew without anything that was erased, which finishes these erasures.

        Raises:
            LedgerError: another process kept reading or writing.
        """
        if self._database.there():
            self._database.rewrite()
        if finished:
            with self._database.write() as session:
                session.execute(delete(ErasureRow).where(ErasureRow.id.in_(finished)))

    def alone(self) -> AbstractContextManager[None]:
        """What machines that share the ledger do one after the other, beside its rows.

        Raises:
            LedgerError: another one did not come to an end.
        """
        return self._database.alone()

    def faults(self) -> tuple[str, ...]:
        """What is wrong with the place itself; nothing, for a good one."""
        return self._database.faults()


def _newest(session: Session, user: str, base_digest: str | None) -> VersionRow | None:
    mine = select(VersionRow).join(UserRow, VersionRow.user_id == UserRow.id).where(UserRow.name == user)
    if base_digest is not None:
        mine = mine.where(VersionRow.base_digest == base_digest)
    return session.scalars(mine.order_by(VersionRow.number.desc()).limit(1)).first()


def _lost(user: str, head: int, after: int) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(
        f"The preferences of {user!r} were changed by somebody else meanwhile (version {head}, "
        f"this change began at {after}). Nothing was changed by this one; do it again."
    )
