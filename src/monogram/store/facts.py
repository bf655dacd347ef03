"""What the ledger says, as plain data: drafts, versions, events, and the sets that events add up to."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monogram.preferences import Preference

Kind = Literal["added", "replaced", "forgotten"]
"""What can happen to a preference."""


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
    """1, 2, 3 ... in the order of a person's changes; one that was erased leaves a gap."""
    created: str = ""
    """UTC, ISO 8601."""
    preferences_digest: str = ""
    """Of the set of preferences that it was made of, see :func:`set_digest`."""


@dataclass(frozen=True)
class Event:
    """One line of a person's history. A replacement is two: what was replaced, and what was added.

    A return to an old version is a line of its own before the lines of what it changed. An erasure is one
    line that says nothing of what was erased.
    """

    kind: Kind | Literal["rolled back", "erased"]
    preference: Preference | None
    version: int
    time: str
    restored: int | None = None
    """The version that was returned to."""


def set_digest(preferences: Iterable[Preference]) -> str:
    """sha256 of a set of preferences; their order does not matter."""
    return hashlib.sha256("\n".join(sorted({p.digest for p in preferences})).encode()).hexdigest()


def set_at(events: Iterable[Event], number: int | None = None) -> tuple[Preference, ...]:
    """What was true with version `number` (by default now), oldest first."""
    found: dict[str, Preference] = {}
    for event in events:
        if event.preference is None or (number is not None and event.version > number):
            continue
        if event.kind == "added":
            found[event.preference.digest] = event.preference
        else:
            found.pop(event.preference.digest, None)
    return tuple(found.values())


def ever(events: Sequence[Event]) -> tuple[Preference, ...]:
    """Everything that was ever true, each once, oldest first."""
    return tuple({e.preference.digest: e.preference for e in events if e.preference}.values())
