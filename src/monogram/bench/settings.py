"""Settings of a benchmark's methods: said in words (`memit.synonyms=3`), and with the run's seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Any

from monogram.errors import InputError


def set_by(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Settings from words like `memit.synonyms=3` or `neuron.value.steps=30`: editor -> field -> value, JSON
    or else plain text.

    Raises:
        InputError: a word of another form.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        where, equals, text = word.partition("=")
        name, _, field_name = where.strip().partition(".")
        if not (name and equals and all(map(str.isidentifier, field_name.split(".")))):
            raise InputError(
                f"The setting {word!r} is not understood. Write METHOD.FIELD=VALUE, say memit.synonyms=3."
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, {})[field_name] = tuple(value) if isinstance(value, list) else value
    return found


def seeded(config: Any, seed: int) -> Any:
    """An editor's configuration with this seed, its value step's too; as it is where nothing draws."""
    if not is_dataclass(config) or isinstance(config, type):
        return config
    if hasattr(config, "seed"):
        config = replace(config, seed=seed)
    value = getattr(config, "value", None)
    if hasattr(value, "seed"):
        config = replace(config, value=seeded(value, seed))
    return config


def seed_of(config: Any) -> int | None:
    """The seed of an editor's configuration, or of its value step; None where nothing draws."""
    found = getattr(config, "seed", getattr(getattr(config, "value", None), "seed", None))
    return None if found is None else int(found)
