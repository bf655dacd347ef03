"""The file of people: JSON lines, each a row about one person. A row that makes no sense stops no other.

    {"user": "alice", "preferences": [{"attribute": "hobby", "target": "Hiking", "said": "I love hiking."}]}
    {"user": "bob", "said": "I'm a nurse, and I'm allergic to peanuts."}
    {"user": "carol", "messages": [{"role": "user", "content": "I live in Rome."}]}

Preferences are as in a profile file (`polarity` and `said` may be left out); plain words are read by rules,
so that the same row says the same every time. Rows of one person count one after the other, and are one
change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from monogram.clusters.group import changes, from_words, twin
from monogram.clusters.rules import Rules
from monogram.clusters.table import table
from monogram.errors import InputError, unknown
from monogram.preferences import Preference, check_user
from monogram.profiles import FIELDS
from monogram.reading import found

TOP = ("user", "preferences", "said", "messages")
MAX_LINE = 500_000
"""Longest row, in bytes: as long as a profile file may be."""


@dataclass(frozen=True)
class Wanted:
    """A person of the file, and what is to be true of them.

    Attributes:
        user: their id.
        preferences: what is to be true; what else is true of them stays.
        lines: the rows' places in the file, 1-based.
    """

    user: str
    preferences: tuple[Preference, ...]
    lines: tuple[int, ...] = ()

    def to_json(self) -> str:
        """As text, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave."""
        told = json.loads(text)
        preferences = tuple(Preference(**record) for record in told["preferences"])
        return cls(told["user"], preferences, tuple(told["lines"]))


@dataclass(frozen=True)
class Wrong:
    """A row that cannot be used: its line, why, and whose it is where that can be told."""

    line: int
    why: str
    user: str = ""


@dataclass(frozen=True)
class Roster:
    """What a file says: people in the order of their first rows, and rows that cannot be used."""

    people: tuple[Wanted, ...]
    wrong: tuple[Wrong, ...]


def read_roster(path: Path) -> Roster:
    """The people in a file.

    Raises:
        InputError: it cannot be read, or has no rows.
    """
    people: dict[str, list[tuple[int, tuple[Preference, ...]]]] = {}
    wrong: list[Wrong] = []
    for line, raw in _lines(path):
        row: Any = None
        try:
            row = _object(raw)
            _check(row)
            user, preferences = check_user(row["user"]), _preferences(row)
        except InputError as error:
            wrong.append(Wrong(line, str(error), _user(row)))
        else:
            people.setdefault(user, []).append((line, preferences))
    if not people and not wrong:
        raise InputError(f'{path} is empty. Give a row a line: {{"user": "alice", "said": "I love hiking."}}')
    return Roster(tuple(_joined(user, rows) for user, rows in people.items()), tuple(wrong))


def _joined(user: str, rows: list[tuple[int, tuple[Preference, ...]]]) -> Wanted:
    """A person's rows as one: a later one counts after an earlier one."""
    _, left = changes(table(), (), [p for _, preferences in rows for p in preferences])
    return Wanted(user, left, tuple(line for line, _ in rows))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers; of one that is too long, one byte too many."""
    try:
        with path.expanduser().open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE + 1):
                number += 1
                piece = raw
                while len(piece) > MAX_LINE and not piece.endswith(b"\n"):  # the rest of it is not kept
                    piece = file.readline(MAX_LINE + 1)
                raw = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                if raw.strip():
                    yield number, raw
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error


def _object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a line."""
    if len(raw) > MAX_LINE:
        raise InputError(
            f"The row is longer than {MAX_LINE:,} bytes. Split it into several of the same user."
        )
    try:
        row = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise InputError("The row is not UTF-8. Save the file as UTF-8.") from error
    except RecursionError as error:
        raise InputError("The row is nested too deeply.") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The row is no JSON ({error}). Give one JSON object a line.") from error
    if not isinstance(row, dict):
        raise InputError(f"The row must be a JSON object with 'user', but it is {_kind(row)}.")
    return row


def _check(row: Mapping[str, Any]) -> None:
    """A row has a user, and one of the ways to say what is true of them."""
    _refuse_strangers(row, TOP)
    if row.get("user") is None:
        raise InputError("There is no 'user'. Say whose row it is.")
    ways = [name for name in TOP[1:] if row.get(name) is not None]
    if len(ways) != 1:
        told = " and ".join(map(repr, ways)) or "none of them"
        raise InputError(f"A row has either 'preferences', 'said' or 'messages', but this one has {told}.")


def _preferences(row: Mapping[str, Any]) -> tuple[Preference, ...]:
    if row.get("preferences") is None:
        said = row["said"] if row.get("said") is not None else row["messages"]
        if row.get("said") is not None and not isinstance(said, str):
            raise InputError(f"'said' must be text, but it is {_kind(said)}.")
        if row.get("said") is None and not isinstance(said, list):
            raise InputError(f"'messages' must be a list, but it is {_kind(said)}.")
        return found(said, Rules())
    listed = row["preferences"]
    if not isinstance(listed, list):
        raise InputError(f"'preferences' must be a list, but it is {_kind(listed)}.")
    wanted = tuple(_preference(told, number) for number, told in enumerate(listed, start=1))
    _, left = changes(table(), (), wanted)
    for lost in wanted:
        if twin(table(), left, lost) is None:
            raise InputError(
                f"The row contradicts itself about {lost.attribute}: {lost.target}; further on it has "
                "another value for the same attribute, of which a person has one at a time. Leave one."
            )
    return wanted


def _preference(told: Any, number: int) -> Preference:
    try:
        if not isinstance(told, dict):
            raise InputError(f"it must be an object with 'attribute' and 'target', but it is {_kind(told)}.")
        _refuse_strangers(told, FIELDS)
        for field in FIELDS[:2]:
            if told.get(field) is None:
                raise InputError(f"there is no {field!r}. Give one.")
        if not isinstance(told.get("polarity"), str | None):
            raise InputError(f"'polarity' must be text, but it is {_kind(told['polarity'])}.")
        return from_words(
            table(),
            told["attribute"],
            told["target"],
            sentence=told.get("said"),
            polarity=told.get("polarity"),
        )
    except InputError as error:
        raise InputError(f"Preference {number}: {error}") from error


def _refuse_strangers(fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for field in fields:
        if field not in known:
            raise unknown("field", field, known)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's fields, each once."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise InputError(f"The field {twice[:80]!r} is there twice in one object. Leave one.")
    return fields


def _user(row: Any) -> str:
    """Whose row it is, where that can be told."""
    try:
        return check_user(row["user"]) if isinstance(row, dict) and "user" in row else ""
    except InputError:
        return ""


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
