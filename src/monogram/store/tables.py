"""The ledger's tables. Rows are added and never changed; knows nothing of files or torch.

    users      one row per person, by their opaque id
    versions   one row per compiled set of preferences: number, model, editor, adapter folder, receipt
    events     one row per preference that was added, replaced or forgotten, with the version that did it

A person's present preferences are what their events add up to, in order.
"""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SCHEMA = 1
"""Goes up when the tables change."""


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
    """A preference that was added, replaced or forgotten."""

    __tablename__ = "events"
    __table_args__ = (Index("events_of_user", "user_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"))
    kind: Mapped[str]
    digest: Mapped[str]
    attribute: Mapped[str]
    target: Mapped[str]
    polarity: Mapped[str]
    statement: Mapped[str]

    version: Mapped[VersionRow] = relationship()
