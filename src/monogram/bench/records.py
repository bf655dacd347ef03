"""Files of records: JSON lists and JSON lines, read whole; what does not fit is named by file, record and
field.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monogram.errors import InputError


@dataclass(frozen=True)
class Records:
    """What a file holds, and the digest of its bytes."""

    path: Path
    sha256: str
    records: tuple[Any, ...]

    def each(self) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
        """(how an error calls the record, its place, the record).

        Raises:
            InputError: a record that is no object.
        """
        for index, record in enumerate(self.records):
            where = f"{self.path}, record {index}"
            if not isinstance(record, Mapping):
                raise InputError(
                    f"{where}: must be an object with fields, but it is {type(record).__name__}."
                )
            yield where, index, record


def read_text(path: Path) -> tuple[str, str]:
    """A file's text, and the sha256 of its bytes.

    Raises:
        InputError: it cannot be read, or is no UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The data file {path} cannot be read: {error.strerror}. Give --data a file."
        ) from error
    try:
        return raw.decode("utf-8-sig"), hashlib.sha256(raw).hexdigest()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text (byte {error.start}). Save it as UTF-8.") from error


def read_records(path: Path) -> Records:
    """Read a JSON list, or JSON lines where the name ends in `.jsonl`.

    Raises:
        InputError: no such file, no JSON (the line is told), or no list with something in it.
    """
    text, sha256 = read_text(path)
    records: Any
    if path.suffix == ".jsonl":
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        records = [_parsed(path, line, number) for number, line in lines]
    else:
        records = _parsed(path, text)
    if not isinstance(records, list) or not records:
        found = "an empty list" if isinstance(records, list) else type(records).__name__
        raise InputError(f"{path} must hold a JSON list of records, but it holds {found}.")
    return Records(path, sha256, tuple(records))


def field(where: str, record: Mapping[str, Any], name: str) -> Any:
    """A field that must be there.

    Raises:
        InputError: it is missing.
    """
    if name not in record:
        raise InputError(f"{where}: the field '{name}' is missing.")
    return record[name]


def text(where: str, record: Mapping[str, Any], name: str) -> str:
    """A field that must be a text with something in it.

    Raises:
        InputError: it is missing, no text, or empty.
    """
    value = field(where, record, name)
    if not isinstance(value, str):
        raise InputError(f"{where}: the field '{name}' must be a text, but it is {type(value).__name__}.")
    if not value.strip():
        raise InputError(f"{where}: the field '{name}' is empty.")
    return value.strip()


def texts(where: str, record: Mapping[str, Any], name: str, least: int = 1) -> tuple[str, ...]:
    """A field that must be a list of texts.

    Raises:
        InputError: it is missing, no list of texts, or has fewer than `least`.
    """
    value = field(where, record, name)
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) < least:
        raise InputError(f"{where}: the field '{name}' must be a list of at least {least} texts.")
    entries = {f"{name}[{place}]": entry for place, entry in enumerate(value)}
    return tuple(text(where, entries, entry) for entry in entries)


def _parsed(path: Path, source: str, line: int | None = None) -> Any:
    try:
        return json.loads(source)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {line or error.lineno}: no JSON ({error.msg}).") from error
