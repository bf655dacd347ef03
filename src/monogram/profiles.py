"""Profile files: what is true of a person, as YAML that people read, write and pass on.

    user: alice
    preferences:
    - attribute: hobby
      target: Hiking
      polarity: likes
      said: I like to go hiking in my spare time.

`polarity` may be left out (then it is what is usual for the attribute), and `said` too. Every value is text,
as it stands there: `target: no` is the word "no". What is written is read back exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from monogram.clusters.group import from_words
from monogram.clusters.table import table
from monogram.errors import InputError, unknown
from monogram.preferences import Preference, Profile, check_user

MAX_BYTES = 500_000
"""Longest profile file."""
TOP = ("user", "preferences")
FIELDS = ("attribute", "target", "polarity", "said")


def read_profile(path: Path, *, user: str | None = None) -> Profile:
    """The profile in a file.

    Args:
        path: the file, UTF-8, at most 500,000 bytes.
        user: whose it is, instead of whom the file names.

    Raises:
        InputError: it cannot be read, or is no profile; names the file, the line, the preference, the field.
    """
    return parse_profile(read_text(path, MAX_BYTES), name=str(path), user=user)


def parse_profile(text: str, *, name: str = "the profile", user: str | None = None) -> Profile:
    """The profile in a text; `name` is what errors call it. Raises as `read_profile`."""
    file = _Place(name)
    root = _compose(text, name)
    top = _fields(root, file, TOP)
    if user is None:
        user = _text(top, "user", file.at(root))
    with located(file.at(root)):
        user = check_user(user)
    if "preferences" not in top:
        raise InputError(f"{file.at(root)}: there are no 'preferences'. Give a list of them, or [] for none.")
    listed = top["preferences"]
    if not isinstance(listed, yaml.SequenceNode):
        raise InputError(f"{file.at(listed)}: 'preferences' must be a list, but it is {_kind(listed)}.")
    nodes = enumerate(listed.value, start=1)
    return Profile(user, tuple(_preference(node, _Place(name, f"preference {n}")) for n, node in nodes))


def profile_text(profile: Profile) -> str:
    """The profile as YAML. `parse_profile` reads it back exactly."""
    listed = [
        {"attribute": p.attribute, "target": p.target, "polarity": p.polarity}
        | ({"said": p.statement} if p.statement else {})
        for p in profile.preferences
    ]
    body = yaml.safe_dump(
        {"user": profile.user, "preferences": listed}, allow_unicode=True, sort_keys=False, width=10**6
    )
    return f"# What is true of a person. `monogram import` reads it.\n{body}"


def read_text(path: Path, most: int) -> str:
    """A small UTF-8 file.

    Raises:
        InputError: it cannot be read, is longer than `most` bytes, or is no UTF-8.
    """
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error
    if len(raw) > most:
        raise InputError(f"{path} is larger than {most:,} bytes; that is no such file. Check the path.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: this is not UTF-8. Save it as UTF-8.") from error


@contextmanager
def located(where: str) -> Iterator[None]:
    """Complaints about what was given say where it stands."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


@dataclass(frozen=True)
class _Place:
    """Where something stands: a file, and which of its preferences."""

    name: str
    what: str = ""

    def at(self, node: Any) -> str:
        line = node.start_mark.line + 1 if node is not None else 1
        return f"{self.name}, line {line}" + (f", {self.what}" if self.what else "")


def _preference(node: yaml.Node, place: _Place) -> Preference:
    given = _fields(node, place, FIELDS)
    told = {field: _text(given, field, place.at(given.get(field, node))) for field in ("attribute", "target")}
    told |= {field: _text(given, field, place.at(given[field])) for field in given}
    with located(place.at(node)):
        return from_words(
            table(),
            told["attribute"],
            told["target"],
            sentence=told.get("said"),
            polarity=told.get("polarity"),
        )


def _fields(node: yaml.Node | None, place: _Place, known: tuple[str, ...]) -> dict[str, yaml.Node]:
    """The fields of a mapping, each once, none unknown."""
    if not isinstance(node, yaml.MappingNode):
        example = " and ".join(f"'{field}: ...'" for field in known[:2])
        raise InputError(f"{place.at(node)}: here must be {example}, but this is {_kind(node)}.")
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        field = str(key.value) if isinstance(key, yaml.ScalarNode) else _kind(key)
        if field not in known:
            raise InputError(f"{place.at(key)}: {unknown('field', field, known)}")
        if field in found:
            raise InputError(f"{place.at(key)}: the field {field!r} is there twice. Leave one.")
        found[field] = value
    return found


def _text(fields: Mapping[str, yaml.Node], field: str, where: str) -> str:
    """A field's text, as it stands in the file."""
    if field not in fields:
        raise InputError(f"{where}: there is no {field!r}. Give one.")
    if not isinstance(fields[field], yaml.ScalarNode):
        raise InputError(f"{where}: {field!r} must be text, but it is {_kind(fields[field])}.")
    return str(fields[field].value)


def _compose(text: str, name: str) -> yaml.Node | None:
    """The YAML document as nodes that know their lines. Nothing is made of it; every scalar is text."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{name}, line {line}: a control character (U+{error.character:04X}).") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise InputError(
            f"{name}, line {line}: this is no YAML: {error.problem or error.context}."
        ) from error
    except RecursionError as error:
        raise InputError(f"{name} is nested too deeply for a profile.") from error
    return node


def _kind(node: Any) -> str:
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return "empty"
    return {"mapping": "a mapping", "sequence": "a list", "scalar": "text"}[node.id]
