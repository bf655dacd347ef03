"""Persona statements out of a file: a CSV as Synthetic-Persona-Chat has it, or one statement a line."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from monogram.errors import InputError
from monogram.preferences import Preference
from monogram.words import normal

COLUMN = "persona"
"""What the header of a column with statements holds."""
SHORTEST = 3
"""Words of a statement; below, it says nothing of anybody."""


@dataclass(frozen=True)
class Statements:
    """What a file holds.

    Attributes:
        texts: each statement once, in the file's order.
        repeated: how many were left out because they say the same in the same words.
        refused: (statement, reason) of those that cannot be used.
    """

    texts: tuple[str, ...]
    repeated: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def read(path: Path) -> Statements:
    """The statements of a file; what ends in .csv is one with columns.

    Raises:
        InputError: it cannot be read, or has no statements.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}. Name another one.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    lines = _cells(path, text) if path.suffix.lower() == ".csv" else text.splitlines()
    found: dict[str, str] = {}
    refused: list[tuple[str, str]] = []
    repeated = 0
    for line in filter(str.strip, lines):
        try:
            statement = _checked(line)
        except InputError as error:
            refused.append((line.strip()[:200], str(error)))
            continue
        repeated += normal(statement).rstrip(".!") in found
        found.setdefault(normal(statement).rstrip(".!"), statement)
    if not found and not refused:
        raise InputError(f"{path} holds no statements. Give a CSV of personas, or one statement a line.")
    return Statements(tuple(found.values()), repeated, tuple(refused))


def _cells(path: Path, text: str) -> list[str]:
    """The lines of all cells in the columns of personas."""
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError(
            f"{path} is no CSV ({error}). Give a file of one statement a line as .txt."
        ) from error
    header = rows[0] if rows else []
    columns = [place for place, name in enumerate(header) if COLUMN in name.casefold()]
    if not columns:
        raise InputError(
            f"{path} has no column of personas; its columns are {', '.join(header)[:200] or 'none'}. "
            f"Name one 'personas' in the first line, or give one statement a line as .txt."
        )
    return [
        line for row in rows[1:] for place in columns if place < len(row) for line in row[place].splitlines()
    ]


def _checked(line: str) -> str:
    statement = Preference.checked("x", "x", line).statement
    if len(statement.split()) < SHORTEST:
        raise InputError(f"It has fewer than {SHORTEST} words.")
    return statement
