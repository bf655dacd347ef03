"""Editors by name. Built-in ones come through the same entry points (`monogram.editors`) as a plugin's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from monogram.editors.base import Editor
from monogram.editors.settings import changed
from monogram.errors import InputError, unknown

GROUP = "monogram.editors"


def editor_names() -> tuple[str, ...]:
    """All names that `editor` takes, sorted; nothing is imported for it."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def editor(name: str, *, preset: str | None = None, **settings: Any) -> Editor:
    """An editor by name, its configuration's fields set by keyword.

    Args:
        preset: settings to start from, of the editor's `presets`; its defaults without.
        settings: values by name; a dot leads into a part (`value.steps`, see `settings.changed`).

    Raises:
        UnknownNameError: there is none of that name, or it has no such preset, or a part no such setting; the
            nearest are told.
        InputError: it has no such setting.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise unknown("editor", name, found)
    kind = found[name].load()
    presets = getattr(kind, "presets", {})
    if preset is not None and preset not in presets:
        raise unknown(f"preset of editor '{name}'", preset, presets)
    start = () if preset is None else (presets[preset],)
    inner = {place: value for place, value in settings.items() if "." in place}
    own = {place: value for place, value in settings.items() if place not in inner}
    try:
        made: Editor = kind(*start, **own)
    except TypeError as error:
        raise InputError(f"Editor '{name}' was given settings {sorted(settings)}: {error}.") from None
    return kind(changed(made.config, inner, f"editor '{name}'")) if inner else made
