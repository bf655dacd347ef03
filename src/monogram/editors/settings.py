"""Settings by name. A dot leads into a part of a configuration: `value.steps` is `config.value.steps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import reduce
from typing import Any

from monogram.errors import unknown


def changed(config: Any, settings: Mapping[str, Any], whose: str) -> Any:
    """A configuration (a dataclass) with other values.

    Args:
        settings: name -> value.
        whose: what errors call it.

    Raises:
        UnknownNameError: it has no such setting; the nearest are told.
    """
    for name, value in settings.items():
        head, dot, rest = name.partition(".")
        known = [field.name for field in fields(config)] if is_dataclass(config) else []
        if head not in known:
            raise unknown(f"setting of {whose}", head, known)
        inner = changed(getattr(config, head), {rest: value}, f"{whose}.{head}") if dot else value
        config = replace(config, **{head: inner})
    return config


def value_of(config: Any, name: str) -> Any:
    """The value of a setting; AttributeError where there is none."""
    return reduce(getattr, name.split("."), config)
