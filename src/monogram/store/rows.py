"""Rows of the ledger to plain data and back, and what an erasure takes out of them; inside a transaction."""

from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from monogram.errors import LedgerError
from monogram.preferences import Polarity, Preference
from monogram.store.facts import Event, Version, set_at
from monogram.store.tables import ErasureRow, EventRow, UserRow, VersionRow


def owner_of(session: Session, user: str) -> UserRow | None:
    """A person's row."""
    return session.scalar(select(UserRow).where(UserRow.name == user))


def events_of(session: Session, user: str) -> tuple[Event, ...]:
    """A person's events, oldest first, each checked against its digest."""
    return tuple(
        Event(cast(Any, row.kind), _preference(row), row.number, row.time, row.restored)
        for row in _rows(session, user)
    )


def versions_of(session: Session, user: str) -> tuple[Version, ...]:
    """A person's versions, oldest first."""
    mine = select(VersionRow).join(UserRow, VersionRow.user_id == UserRow.id).where(UserRow.name == user)
    return tuple(version_of(user, row) for row in session.scalars(mine.order_by(VersionRow.number)))


def version_of(user: str, row: VersionRow) -> Version:
    """A row as plain data."""
    fields = {name: getattr(row, name) for name in Version.__dataclass_fields__ if name != "user"}
    return Version(user=user, **fields)


def event_of(
    owner: UserRow,
    version: VersionRow,
    kind: str,
    preference: Preference | None = None,
    restored: int | None = None,
) -> EventRow:
    """A new row, that came with a version."""
    plain = {} if preference is None else {"digest": preference.digest, **asdict(preference)}
    came = {"number": version.number, "time": version.created}
    return EventRow(user_id=owner.id, kind=kind, restored=restored, **came, **plain)


def erase_rows(session: Session, owner: UserRow, new: VersionRow, digests: frozenset[str]) -> None:
    """Take preferences out for good: their events, the versions that held one, sentences that tell of them.

    That something was erased is noted with the version `new`, and that its traces are still to be cleared.
    """
    session.flush()
    events, rows = events_of(session, owner.name), _rows(session, owner.name)
    gone = [row for row in rows if row.digest in digests]
    said = {row.statement for row in gone if row.statement}
    targets = {str(row.target).casefold() for row in gone}
    versions = session.scalars(select(VersionRow).where(VersionRow.user_id == owner.id)).all()
    held = {v.number for v in versions if digests & {p.digest for p in set_at(events, v.number)}}
    for version in versions:
        if version is not new and version.number in held:
            session.delete(version)
        else:
            version.receipt = _without(version.receipt, targets, held)
    for row in rows:
        if row in gone:
            session.delete(row)
        elif row.statement in said or any(word in (row.statement or "").casefold() for word in targets):
            row.statement = ""  # no part of what the preference is: its digest stays
    session.add(event_of(owner, new, "erased"))
    session.add(ErasureRow(user_id=owner.id))


def erase_person(session: Session, owner: UserRow) -> None:
    """Take somebody out for good: everything, their id too."""
    for table in (EventRow, VersionRow, ErasureRow):
        session.execute(delete(table).where(table.user_id == owner.id))
    session.delete(owner)
    session.add(ErasureRow(user_id=None))


def _rows(session: Session, user: str) -> list[EventRow]:
    mine = select(EventRow).join(UserRow, EventRow.user_id == UserRow.id).where(UserRow.name == user)
    return list(session.scalars(mine.order_by(EventRow.id)))


def _preference(row: EventRow) -> Preference | None:
    """The preference that a row is about, if it is about one."""
    if row.attribute is None or row.target is None:
        if row.kind in ("added", "replaced", "forgotten"):
            raise _changed(row)
        return None
    found = Preference(row.attribute, row.target, row.statement or "", cast(Polarity, row.polarity))
    if found.digest != row.digest:
        raise _changed(row)
    return found


def _without(receipt: dict[str, Any] | None, words: set[str], versions: set[int]) -> dict[str, Any] | None:
    """A receipt, with answers left empty that have one of the words in them, or were given at these versions
    and carried over.
    """
    if not receipt or not receipt.get("per_preference"):
        return receipt

    def tells(part: dict[str, Any]) -> bool:
        given = ((part.get("tallies") or {}).get("ask") or {}).get("version")
        return given in versions or any(word in str(part.get("answer", "")).casefold() for word in words)

    parts = [{**part, "answer": ""} if tells(part) else part for part in receipt["per_preference"]]
    return {**receipt, "per_preference": parts}


def _changed(row: EventRow) -> LedgerError:
    return LedgerError(f"Line {row.id} of the ledger was changed after it was written. Restore a copy.")
