"""Settings that were found for a model: kept under people's home, or packaged for models we know.

`monogram calibrate` writes them; `editor_for` makes an editor of a model with them. What is asked for by name
(a setting, a preset) counts first.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from monogram.editors.base import Editor
from monogram.editors.registry import editor
from monogram.errors import InputError
from monogram.files import people_home, write_text
from monogram.models.editable import EditableModel


def editor_for(model: EditableModel, name: str, **settings: Any) -> Editor:
    """An editor by name, as `registry.editor`, with the settings that were found for a model as its defaults.

    One that has none of its own takes those of the editor it is made from: `neuron-plain` stays the same edit
    as `neuron`. A preset is taken as it is.

    Raises:
        UnknownNameError, InputError: as `registry.editor`.
        InputError: what is kept cannot be read.
    """
    return editor_of(model.digest, name, **settings)


def editor_of(digest: str, name: str, **settings: Any) -> Editor:
    """As `editor_for`, for the model of a digest."""
    made = editor(name, **settings)
    if "preset" in settings:
        return made
    for kind in type(made).__mro__:
        known = str(vars(kind).get("name", ""))
        if known and (found := chosen(digest, known)):
            return editor(name, **{**found, **settings})
    return made


def chosen(digest: str, name: str) -> dict[str, Any]:
    """The settings that were found for a model (its digest) and an editor; none where nothing was.

    Raises:
        InputError: what is kept cannot be read.
    """
    path = place(digest, name)
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8"))["settings"])
    except (FileNotFoundError, NotADirectoryError):
        packaged = files("monogram.editors").joinpath("chosen.toml").read_text(encoding="utf-8")
        found = dict(tomllib.loads(packaged).get(digest, {}).get(name, {}))
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"The settings of '{name}' in {path} cannot be read ({error}). Run `monogram calibrate` again, "
            "or remove the file to go back to the defaults."
        ) from error
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def keep(digest: str, name: str, record: Mapping[str, Any]) -> Path:
    """Keep what was found: `settings`, and whatever else is worth knowing. What was kept before is replaced.

    Returns:
        The file.
    """
    path = place(digest, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(dict(record), indent=1, ensure_ascii=False))
    return path


def place(digest: str, name: str) -> Path:
    """Where an editor's settings for a model are kept. Not in the cache: people's deltas hang on them."""
    return people_home() / "calibration" / digest[:32] / f"{name}.json"
