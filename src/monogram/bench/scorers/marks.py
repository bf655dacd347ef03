"""Marks of further scorers for the answers of a finished run, kept beside raw.jsonl in scores.jsonl.

A line is a scorer's mark of one answer; without a mark it says why there is none, and that is tried again. So
that a mark never meets another answer than its own, its key holds the row's and the answer's digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monogram.bench.raw import Record, key
from monogram.bench.scorers.calibration import polarity_of
from monogram.bench.scorers.case import Case, Mark, Scorer
from monogram.bench.scorers.similar import THRESHOLD
from monogram.bench.tasks.upqa import AT_LENGTH, KINDS
from monogram.journal import Journal

FILE = "scores.jsonl"
RULES = {"contains": "contains_{}", "recall": "{}"}
"""The scorers that every run has -> what a row calls their mark of its kind."""
SET_BY = {"similar": f"minilm from {THRESHOLD}"}
"""What a scorer's marks hang on besides its name: of other settings, other marks."""
Kept = Mapping[str, Mapping[str, Any]]


def scored(rows: Sequence[Record]) -> list[Record]:
    """The rows that further scorers look at: answers of `upqa`, which should hold the target."""
    return [row for row in rows if row["task"] == "upqa" and row["kind"] in KINDS and "why" not in row]


def case(row: Record) -> Case:
    """A row as a scorer sees it."""
    return Case(
        question=row["question"],
        answer=row["answer"],
        attribute=row["attribute"],
        target=row["target"],
        polarity=row.get("polarity") or polarity_of(row["attribute"]),
        at_length=row["kind"] in AT_LENGTH,
    )


def left(rows: Sequence[Record], kept: Kept, name: str) -> list[Record]:
    """Rows that a scorer has no mark for yet."""
    return [row for row in rows if kept.get(_place(name, row), {}).get("says") is None]


def write(
    journal: Journal, name: str, rows: Sequence[Record], marks: Sequence[Mark], why: Sequence[str]
) -> None:
    """Keep marks; `why` holds the reasons of those that are None, in their order."""
    reasons = iter(why)
    for row, mark in zip(rows, marks, strict=True):
        told = {"scorer": name, "says": mark} | ({"why": next(reasons, "")} if mark is None else {})
        journal.add(_place(name, row), told)


def mark(journal: Journal, name: str, rows: Sequence[Record], scorer: Scorer) -> None:
    """Mark what has no mark yet, by a scorer that always knows."""
    todo = left(rows, journal.records, name)
    write(journal, name, todo, scorer([case(row) for row in todo]), ())


def joined(folder: Path, rows: Sequence[Record]) -> list[Record]:
    """A run's rows, with marks of further scorers as `similar_direct` and the like among their scores."""
    kept = Journal.read(folder / FILE)
    if not kept:
        return list(rows)
    names = scorers(kept)
    told = {id(row): _marks(kept, names, row) for row in scored(rows)}
    return [{**row, "scores": {**row["scores"], **told[id(row)]}} if id(row) in told else row for row in rows]


def scorers(kept: Kept) -> list[str]:
    """Further scorers that have marked something, in the order in which they came."""
    return list(dict.fromkeys(str(record["scorer"]) for record in kept.values()))


def by_scorer(rows: Sequence[Record], names: Sequence[str]) -> dict[str, list[Mark]]:
    """Scorer -> its marks of rows, None where it has none; the rules first."""
    forms = RULES | {name: f"{name}_{{}}" for name in names}
    return {
        name: [row["scores"].get(form.format(row["kind"])) for row in rows] for name, form in forms.items()
    }


def errors(rows: Sequence[Record], kept: Kept, name: str) -> int:
    """Answers that a scorer was asked about and has no mark for."""
    told = [kept.get(_place(name, row)) for row in rows]
    return sum(record is not None and record["says"] is None for record in told)


def _marks(kept: Kept, names: Sequence[str], row: Record) -> dict[str, Mark]:
    told = {name: kept.get(_place(name, row)) for name in names}
    return {f"{name}_{row['kind']}": record["says"] for name, record in told.items() if record is not None}


def _place(name: str, row: Record) -> str:
    """The key of a scorer's mark of a row's answer."""
    held = [name, SET_BY.get(name, ""), key(row), row["question"], row["target"], row["answer"]]
    return hashlib.sha256(json.dumps(held).encode("ascii")).hexdigest()
