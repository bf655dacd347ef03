"""Editors by name. Built-in ones come through the same entry points (`monogram.editors`) as a plugin's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from monogram.editors.base import Editor
from monogram.errors import InputError, unknown

GROUP = "monogram.editors"


def editor_names() -> tuple[str, ...]:
    """All names that `editor` takes, sorted; nothing is imported for it."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def editor(name: str, **settings: Any) -> Editor:
    """An editor by name, its configuration's fields set by keyword.

    Raises:
        UnknownNameError: there is none of that name; the nearest names are told.
        InputError: it has no such setting.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise unknown("editor", name, found)
    kind = found[name].load()
    try:
        made: Editor = kind(**settings)
    except TypeError as error:
        raise InputError(f"Editor '{name}' was given settings {sorted(settings)}: {error}.") from None
    return made
