"""raw.jsonl: one line per (method, seed, task, item, kind, variant), on the disk before the next one is made.

A run that was killed goes on where it stopped: what is there is read back by key, and a last line that
was not finished is dropped. A new `prepare` line with another delta voids what was asked under the old one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from monogram.errors import InputError
from monogram.files import append_line

Record = Mapping[str, Any]
Key = tuple[str, int, str, str, str, str]
BASE = "base"
"""The method of lines that hold what the base model does with an ask, shared by all methods; their variant is
the ask's digest."""
PREPARE = "prepare"
"""The kind of lines that tell what it took to take a state's preferences in; their item is the state."""
SKIPPED = "skipped"
"""The kind of lines that say why something could not be asked."""


def key(record: Record) -> Key:
    """What makes a line this one."""
    method, seed, task, item, kind = (record[name] for name in ("method", "seed", "task", "item", "kind"))
    return method, seed, task, item, kind, record.get("variant", "")


class RawLog:
    """The raw outputs of a run: read once, then appended to inside a `with`. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[Key, Record] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        records, good = _read(self.path)
        for record in records:
            self._take(record)
        self._file = self.path.open("ab")
        self._file.truncate(good)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """What the file holds, without changing it. A last line that was not finished is left out."""
        log = cls(path)
        for record in _read(path)[0]:
            log._take(record)
        return log

    def append(self, record: Record) -> None:
        """Write a line and wait until it is on the disk.

        Raises:
            DiskFullError: no room; the unfinished line is dropped when the run goes on.
        """
        if self._file is None:
            raise RuntimeError("RawLog.append is for the inside of a `with`")
        append_line(self._file, self.path, json.dumps(record, ensure_ascii=False, allow_nan=False))
        self._take(record)

    def _take(self, record: Record) -> None:
        place = key(record)
        before = self.records.get(place)
        if record["kind"] == PREPARE and before is not None and before["delta"] != record["delta"]:
            mine = [(k, r) for k, r in self.records.items() if k[:2] == place[:2]]
            for k, r in mine:
                if r.get("state") == record["state"]:
                    del self.records[k]
        self.records[place] = record


def _read(path: Path) -> tuple[list[Record], int]:
    """The finished lines of a file, and how many bytes they take."""
    if not path.exists():
        return [], 0
    records: list[Record] = []
    good = 0
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("not finished")
            record = json.loads(line)
            key(record)
        except (ValueError, LookupError, TypeError) as error:
            if number == len(lines):
                break
            raise InputError(
                f"{path}, line {number}: no record of a run ({error}). Give --out a new folder."
            ) from error
        records.append(record)
        good += len(line)
    return records, good
