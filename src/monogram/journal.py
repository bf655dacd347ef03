"""A journal: JSON lines by key, each on the disk before it counts; what was paid for is never lost."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from filelock import FileLock, Timeout

from monogram.errors import InputError
from monogram.files import append_line, whole


class Journal:
    """What a file holds, by key; inside a `with`, more is added. Threads may share it; one process may write.

    A last line that a kill left unfinished is dropped. Of two lines with one key the later counts. A journal
    that stayed empty leaves no file.

    Raises:
        InputError: another process writes to it, or another line than the last is none of a journal's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Mapping[str, Any]] = {}
        self._file: IO[bytes] | None = None
        self._mine = threading.Lock()
        self._ours = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._ours.acquire()
        except Timeout as error:
            raise InputError(
                f"Another run is writing to {self.path}. Wait for it, or name another file."
            ) from error
        try:
            self._read()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _read(self) -> None:
        self._file = self.path.open("a+b")
        self._file.seek(0)
        self.records, good = _finished(self.path, self._file.read())
        self._file.truncate(good)

    @classmethod
    def read(cls, path: Path) -> dict[str, Mapping[str, Any]]:
        """What a file holds, by key, without changing it, and while another process may write; {} where there
        is none.
        """
        return _finished(path, path.read_bytes())[0] if path.exists() else {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            empty = self._file.seek(0, os.SEEK_END) == 0
            self._file.close()
            self._file = None
            if empty:
                self.path.unlink()
        self._ours.release()

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Write a line and wait until it is on the disk.

        Raises:
            DiskFullError: no room; the unfinished line is dropped the next time.
        """
        told = {"key": key, **record}
        line = json.dumps(told, ensure_ascii=False, allow_nan=False)
        with self._mine:
            if self._file is None:
                raise RuntimeError("Journal.add is for the inside of a `with`")
            append_line(self._file, self.path, line)
            self.records[key] = told

    def keep_only(self, keys: Iterable[str]) -> None:
        """Write the file anew, whole or not at all: these keys' records, one line each, in this order.

        Raises:
            DiskFullError: no room; the file is as it was.
        """
        with self._mine:
            if self._file is None:
                raise RuntimeError("Journal.keep_only is for the inside of a `with`")
            left = {key: self.records[key] for key in keys if key in self.records}
            lines = [json.dumps(told, ensure_ascii=False, allow_nan=False) for told in left.values()]
            self._file.close()
            try:
                with whole(self.path) as work:
                    work.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
                self.records = left
            finally:
                self._file = self.path.open("a+b")


def _finished(path: Path, text: bytes) -> tuple[dict[str, Mapping[str, Any]], int]:
    """The records of the finished lines, and how many bytes these take."""
    records: dict[str, Mapping[str, Any]] = {}
    good = 0
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        if record is None and number < len(lines):
            raise InputError(
                f"{path}, line {number}: not written by monogram. Name another file, or take the line out."
            )
        if record is not None:
            records[record["key"]] = record
            good += len(line)
    return records, good


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line; None where it is not finished, or none."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("key"), str) else None
