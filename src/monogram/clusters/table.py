"""The attribute table: what people say about themselves, and how they ask for it.

Written for this project, one TOML file per field of life in `attributes/`. Each attribute has its synonyms,
first-person ways to ask, roundabout and recommendation questions of the same intent, and look-alikes.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from monogram.preferences import Polarity

_JOINT = re.compile(r"\b(?:of|in|at|for|with|to|by|on|from|and|or|that|who)\b")
_ONE = ("ss", "us", "is", "as", "ics", "'s", "’s")
"""How one thing may end that looks like several."""


@dataclass(frozen=True)
class Attribute:
    """One attribute of a person, with everything that is said around it.

    Attributes:
        name: its plain name, lower case; synonyms: other names of the same.
        polarity: what a preference of it usually is.
        single: whether a person has one value of it at a time.
        near: attributes whose roundabout and recommendation questions overlap with its own.
        say: how an assistant states it, with `{target}` first, and `{is}` where targets may be plural.
        examples: a few targets.
        ask, roundabout, recommend: the three kinds of first-person phrasings.
        others: look-alikes: other people, definitions.
    """

    name: str
    synonyms: tuple[str, ...]
    polarity: Polarity
    single: bool
    near: tuple[str, ...]
    say: str
    examples: tuple[str, ...]
    ask: tuple[str, ...]
    roundabout: tuple[str, ...]
    recommend: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def all_names(self) -> tuple[str, ...]:
        """The name and its synonyms."""
        return (self.name, *self.synonyms)

    def said(self, target: str, *, several: bool = False) -> str:
        """How an assistant states a target of it, or `several` of them in one. The target is first, so that
        the answer's first word decides between preferences that a question may be about (docs/log.md).
        """
        first = target.partition(" ")[0]
        begun = target[:1].upper() + target[1:] if first.islower() else target
        return self.say.format(target=begun, **{"is": "are" if several or _plural(target) else "is"})


@dataclass(frozen=True)
class Table:
    """All attributes, by name, in the order of their files. Iterates over them."""

    attributes: Mapping[str, Attribute]
    _by_name: Mapping[str, Attribute] = field(repr=False)

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes.values())

    def __len__(self) -> int:
        return len(self.attributes)

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes' plain names."""
        return tuple(self.attributes)

    def find(self, attribute: str) -> Attribute | None:
        """An attribute by name or synonym, whatever the case; None where the table has none."""
        return self._by_name.get(_plain(attribute))

    def suggest(self, attribute: str, most: int = 3) -> list[str]:
        """Names of the table that look like `attribute`, best first."""
        found = difflib.get_close_matches(_plain(attribute), self._by_name, n=most * 2, cutoff=0.7)
        return list(dict.fromkeys(self._by_name[name].name for name in found))[:most]


@cache
def table() -> Table:
    """The table that comes with the package. Immutable, read once."""
    read: dict[str, Attribute] = {}
    folder = files("monogram.clusters") / "attributes"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            for record in tomllib.loads(file.read_text(encoding="utf-8"))["attribute"]:
                fixed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
                read[record["name"]] = Attribute(**fixed)
    by_name = {_plain(s): a for a in reversed(read.values()) for s in reversed(a.all_names)}
    by_name |= {_plain(a.name): a for a in read.values()}
    return Table(read, by_name)


def _plural(target: str) -> bool:
    """Whether a target looks like several things: the noun before its first "in", "and" or the like does."""
    words = _JOINT.split(target.lower(), maxsplit=1)[0].split()
    last = words[-1] if words else ""
    return last.endswith("s") and not last.endswith(_ONE) and not words[0].endswith("ing")


def _plain(name: str) -> str:
    return " ".join(
        name.casefold().replace("_", " ").replace("-", " ").replace("favourite", "favorite").split()
    )
