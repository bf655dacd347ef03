"""The ledger: every preference that a person added, replaced or forgot, and the versions made of them.

It is the source of truth. It lives in one SQLite file (write-ahead log, so readers never wait), is only ever
added to, and every change lands whole or not at all. Knows nothing of files beside it, models or torch.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from monogram.errors import LedgerError
from monogram.preferences import Polarity, Preference, check_user
from monogram.store.database import Database
from monogram.store.tables import EventRow, UserRow, VersionRow

Kind = Literal["added", "replaced", "forgotten"]


@dataclass(frozen=True)
class Draft:
    """What a new version says of itself; number and time are the ledger's to give."""

    base_name: str
    base_digest: str
    editor: str = ""
    settings: str = ""
    """The editor's settings, as text."""
    delta_digest: str = ""
    folder: str = ""
    """Name of the adapter's folder; empty where nothing is changed in the model."""
    receipt: dict[str, Any] | None = None


@dataclass(frozen=True)
class Version(Draft):
    """One version of one person's delta, for one model."""

    user: str = ""
    number: int = 0
    """1, 2, 3 ... in the order of a person's changes."""
    created: str = ""
    """UTC, ISO 8601."""
    preferences_digest: str = ""
    """Of the set of preferences that it was made of, see :func:`set_digest`."""


@dataclass(frozen=True)
class Event:
    """One line of a person's history. A replacement is two: what was replaced, and what was added."""

    kind: Kind
    preference: Preference
    version: int
    time: str


def set_digest(preferences: Iterable[Preference]) -> str:
    """sha256 of a set of preferences; their order does not matter."""
    return hashlib.sha256("\n".join(sorted({p.digest for p in preferences})).encode()).hexdigest()


class Ledger:
    """The ledger in the SQLite file ``path``, which is made by the first change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)

    def users(self) -> tuple[str, ...]:
        """Everybody with a history, by id, sorted."""
        with self._database.read() as session:
            return tuple(sorted(session.scalars(select(UserRow.name)))) if session else ()

    def present(self, user: str) -> tuple[Preference, ...]:
        """What is true of a person now, oldest first. Empty for somebody unknown.

        Raises:
            LedgerError: the ledger is damaged, or somebody changed a line of it.
        """
        with self._database.read() as session:
            return _present(session, check_user(user)) if session else ()

    def history(self, user: str) -> tuple[Event, ...]:
        """Everything that was added, replaced or forgotten, oldest first."""
        with self._database.read() as session:
            rows = _events(session, check_user(user)) if session else []
            return tuple(
                Event(cast(Kind, row.kind), _preference(row), row.version.number, row.version.created)
                for row in rows
            )

    def version(self, user: str, base_digest: str | None = None) -> Version | None:
        """A person's newest version, or the newest for one base model."""
        user = check_user(user)
        with self._database.read() as session:
            row = _newest(session, user, base_digest) if session else None
            return _version(user, row) if row else None

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
        self, user: str, changes: Sequence[tuple[Kind, Preference]], draft: Draft, *, after: int
    ) -> Version:
        """Write down changes together with the version that has them, in one transaction.

        Args:
            changes: what happened, in order; empty when the same set was compiled for another model.
            draft: the version.
            after: the person's newest version when the change was begun.

        Raises:
            LedgerError: somebody else changed this person since, or the ledger cannot be written.
            DiskFullError: no room; nothing was written.
        """
        user = check_user(user)
        with self._database.write() as session:
            owner = session.scalar(select(UserRow).where(UserRow.name == user))
            newest = _newest(session, user, None)
            head = newest.number if newest else 0
            if head != after:
                raise LedgerError(
                    f"The preferences of {user!r} were changed by somebody else meanwhile (version {head}, "
                    f"this change began at {after}). Nothing was changed by this one; do it again."
                )
            if owner is None:
                owner = UserRow(name=user)
                session.add(owner)
                session.flush()
            row = VersionRow(
                user_id=owner.id, number=head + 1, created=_now(), preferences_digest="", **asdict(draft)
            )
            session.add(row)
            session.flush()
            for kind, preference in changes:
                plain = asdict(preference)
                session.add(
                    EventRow(
                        user_id=owner.id, version_id=row.id, kind=kind, digest=preference.digest, **plain
                    )
                )
                session.flush()
            row.preferences_digest = set_digest(_present(session, user))
            session.flush()
            return _version(user, row)


def _newest(session: Session, user: str, base_digest: str | None) -> VersionRow | None:
    mine = select(VersionRow).join(UserRow, VersionRow.user_id == UserRow.id).where(UserRow.name == user)
    if base_digest is not None:
        mine = mine.where(VersionRow.base_digest == base_digest)
    return session.scalars(mine.order_by(VersionRow.number.desc()).limit(1)).first()


def _events(session: Session, user: str) -> Sequence[EventRow]:
    mine = select(EventRow).join(UserRow, EventRow.user_id == UserRow.id).where(UserRow.name == user)
    return session.scalars(mine.order_by(EventRow.id)).all()


def _present(session: Session, user: str) -> tuple[Preference, ...]:
    found: dict[str, Preference] = {}
    for row in _events(session, user):
        preference = _preference(row)
        if row.kind == "added":
            found[preference.digest] = preference
        else:
            found.pop(preference.digest, None)
    return tuple(found.values())


def _preference(row: EventRow) -> Preference:
    found = Preference(row.attribute, row.target, row.statement, cast(Polarity, row.polarity))
    if found.digest != row.digest:
        raise LedgerError(f"Line {row.id} of the ledger was changed after it was written. Restore a copy.")
    return found


def _version(user: str, row: VersionRow) -> Version:
    fields = {name: getattr(row, name) for name in Version.__dataclass_fields__ if name != "user"}
    return Version(user=user, **fields)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
