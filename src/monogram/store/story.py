"""A person's history, version by version: what changed, when, for which model, and what is present."""

from collections.abc import Iterator
from dataclasses import dataclass

from monogram.store.facts import Event, Version
from monogram.store.ledger import Ledger


@dataclass(frozen=True)
class Entry:
    """One version's part of a history."""

    number: int
    time: str
    """UTC, ISO 8601; empty where nothing of it is left."""
    version: Version | None
    """None where it was erased, because of something that it held."""
    events: tuple[Event, ...]
    """What changed with it, as far as it was not erased; empty where only the model or the editor did."""
    present: bool


def story(ledger: Ledger, user: str) -> tuple[Entry, ...]:
    """A person's history, oldest first; empty for somebody unknown.

    Raises:
        LedgerError: the ledger is damaged, or somebody changed a line of it.
    """
    return tuple(_entries(ledger, user))


def _entries(ledger: Ledger, user: str) -> Iterator[Entry]:
    versions = {version.number: version for version in ledger.versions(user)}
    events = ledger.history(user)
    head = max(versions, default=0)
    for number in range(1, head + 1):
        mine = tuple(event for event in events if event.version == number)
        version = versions.get(number)
        time = version.created if version else next((event.time for event in mine), "")
        yield Entry(number, time, version, mine, number == head)
