"""The ledger's tables, schema 2. Rows are only added, unless something is erased. Knows no files, no torch.

    users      one row per person, by their opaque id
    versions   one row per compiled set of preferences: number, model, editor, adapter folder, receipt
    events     one row per preference that was added, replaced or forgotten, and one for every return to an
               old version and every erasure; with the number of the version that it came with
    erasures   one row per erasure whose traces on the disk are not all gone yet

A person's present preferences are what their events add up to, in order; their present version is the newest.
An event speaks of its version by number: it stays when that version goes because of something else it held.
"""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = 2
"""Goes up when the tables change; `migrations` then learns the way."""


class Base(DeclarativeBase):
    """All tables."""


class About(Base):
    """Facts about the ledger itself: ``schema``."""

    __tablename__ = "about"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class UserRow(Base):
    """A person."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class VersionRow(Base):
    """One version of one person's delta, for one model."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("user_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    number: Mapped[int]
    created: Mapped[str]
    preferences_digest: Mapped[str]
    base_name: Mapped[str]
    base_digest: Mapped[str]
    editor: Mapped[str]
    settings: Mapped[str]
    delta_digest: Mapped[str]
    folder: Mapped[str]
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class EventRow(Base):
    """Something that happened to a person; a preference's columns are empty where it is about none."""

    __tablename__ = "events"
    __table_args__ = (Index("events_of_user", "user_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    number: Mapped[int]
    time: Mapped[str]
    kind: Mapped[str]
    digest: Mapped[str | None]
    attribute: Mapped[str | None]
    target: Mapped[str | None]
    polarity: Mapped[str | None]
    statement: Mapped[str | None]
    restored: Mapped[int | None]
    """Number of the version that was returned to."""


class ErasureRow(Base):
    """Whose folders and caches are still to be cleared, and that the file is still to be rewritten."""

    __tablename__ = "erasures"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """None for a person who is gone altogether."""
