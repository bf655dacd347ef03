"""What `--data` names, and which task finds its records where.

Files tell what they are by their fields; a folder stands for the files in it. What the given data does not
hold comes from the project's own set, as far as that has it. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from monogram.bench.exams import Exam, load_exam
from monogram.bench.items import ItemFile, load_items
from monogram.bench.own import own_items, own_turns
from monogram.bench.prefeval import Situation, Turn, load_situations, load_turns
from monogram.bench.records import Records, read_records, read_text
from monogram.errors import InputError

File = TypeVar("File", ItemFile, Records)
SUFFIXES = (".json", ".jsonl", ".txt")
FIELDS = {"attribute_type": "items", "preference": "situations", "conversation": "turns"}
FIELDS |= {"instruction": "exams", "answer": "exams"}
"""Field of a file's first record -> what the file is; the first of these that it has."""


class Sources:
    """The records of a run.

    Args:
        paths: files and folders, as given; none for the project's own set alone.
        split: which split of the project's own set.
    """

    def __init__(self, paths: Sequence[Path] = (), split: str = "development") -> None:
        self.paths = tuple(paths)
        self.split = split
        self.used: dict[str, str] = {}
        """File (below the folder that was given) -> sha256 of what tasks have taken so far."""

    @cached_property
    def _kinds(self) -> dict[str, list[Path]]:
        """What a file is -> the files that are that, in the order given; a file given by name comes first."""
        found: dict[str, list[Path]] = {"named": [path for path in self.paths if not path.is_dir()]}
        for path in self.paths:
            for file in _files(path):
                found.setdefault(kind_of(file), []).append(file)
        return {kind: list(dict.fromkeys(paths)) for kind, paths in found.items()}

    @cached_property
    def own(self) -> ItemFile:
        """The split of the project's own set.

        Raises:
            UnknownNameError: no such split.
        """
        return self._take(own_items(self.split))

    @cached_property
    def items(self) -> ItemFile:
        """The given file in UPQA's format; the project's own set where none was given.

        Raises:
            InputError: several were found and none was named, or a record cannot be used.
        """
        there = self._kinds.get("items", [])
        named = [path for path in there if path in self._kinds["named"]] or there
        if len(named) > 1:
            names = ", ".join(path.name for path in named)
            raise InputError(f"Several files in UPQA's format were given: {names}. Name one with --data.")
        return self._take(load_items(named[0])) if named else self.own

    @cached_property
    def situations(self) -> tuple[Situation, ...]:
        """The records of all given files in PrefEval's format.

        Where a question stands in two files (explicit preferences, and again with options), the record with
        options counts.
        """
        found = [s for file in self._records("situations") for s in load_situations(file)]
        found.sort(key=lambda s: not s.options)  # stable: those with options first
        return tuple({s.question: s for s in reversed(found)}.values())[::-1]

    @cached_property
    def turns(self) -> tuple[tuple[Turn, ...], ...]:
        """Unrelated conversations of the given files; the project's own where none was given."""
        there = list(self._records("turns")) or [self._take(own_turns())]
        return tuple(turns for file in there for turns in load_turns(file) if turns)

    @cached_property
    def exams(self) -> tuple[Exam, ...]:
        """Questions about what a model can do."""
        return tuple(load_exam(file) for file in self._records("exams"))

    @cached_property
    def texts(self) -> dict[str, str]:
        """Name -> plain text."""
        return {path.stem: self._plain(path) for path in self._kinds.get("text", [])}

    def is_named(self, name: str) -> bool:
        """Whether a file of that stem (its number at the end aside) was given by name, not by its folder."""
        return any(path.stem == name or path.stem.startswith(f"{name}_") for path in self._kinds["named"])

    def _records(self, kind: str) -> Iterable[Records]:
        for path in self._kinds.get(kind, []):
            yield self._take(read_records(path))

    def _plain(self, path: Path) -> str:
        text, self.used[self._called(path)] = read_text(path)
        return text

    def _take(self, file: File) -> File:
        self.used[self._called(file.path)] = file.sha256
        return file

    def _called(self, path: Path) -> str:
        """A file's name, from the given folder on; never where that is on this machine."""
        folders = [folder for folder in self.paths if path != folder and path.is_relative_to(folder)]
        return path.relative_to(folders[0]).as_posix() if folders else path.name


def kind_of(path: Path) -> str:
    """What a file is: items, situations, turns, exams or text.

    Raises:
        InputError: none of them, or not to be read.
    """
    if path.suffix == ".txt":
        return "text"
    first: Any = read_records(path).records[0]
    fields: Iterable[str] = first if isinstance(first, Mapping) else ()
    for name, kind in FIELDS.items():
        if name in fields:
            return kind
    # What looks like nothing known is read as UPQA's, whose loader says what is missing.
    return "items"


def _files(path: Path) -> list[Path]:
    """A file, or the files of a folder that may hold records, sorted."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"The folder {path} holds no file of records ({', '.join(SUFFIXES)}).")
    return found
