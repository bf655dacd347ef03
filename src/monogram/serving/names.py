"""What an adapter is called at an engine: opaque, and another name for every version.

    monogram-<shelf, 32 digits>-<folder, 16 digits>-<of the version's number and time, 8 digits>

Engines keep what a name meant for as long as they run, so a name never comes back, not even with a version
that is what an old one was. Nothing but such a name becomes part of a path.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from monogram.store.facts import Version
from monogram.store.folder import shelf_name

NOBODY = "monogram-nobody"
"""The adapter that changes nothing: for the base model, and for somebody without preferences."""
_NAME = re.compile(r"monogram-(?P<shelf>[0-9a-f]{32})-(?P<folder>[0-9a-f]{16})-(?P<stamp>[0-9a-f]{8})")


@dataclass(frozen=True)
class Named:
    """What a name says."""

    shelf: str
    folder: str


def name_of(user: str, version: Version | None) -> str:
    """What a person's version is called."""
    if version is None or not version.folder:
        return NOBODY
    stamp = hashlib.sha256(f"{version.number} {version.created}".encode()).hexdigest()[:8]
    return f"monogram-{shelf_name(user)}-{version.folder}-{stamp}"


def read_name(name: str) -> Named | None:
    """What a name says; None for one that is none of ours."""
    found = _NAME.fullmatch(name)
    return Named(found["shelf"], found["folder"]) if found else None
