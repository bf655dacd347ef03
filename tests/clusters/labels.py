"""Labelled sentences, and how proposals are scored against them.

The third party's statements (Synthetic-Persona-Chat, CC BY 4.0) are not in the repository: labels are keyed
by their sha256. A label is what a careful reader finds in a statement: attribute of the table, target,
polarity; some name other attributes that would do as well. An attribute is right when a proposal has the
labelled one (`near`: or one that would do as well). A target is right when a proposal's content words
(stemmed, without stop words) equal the label's, or when at least half of each side's are shared. Both are
counted over labelled preferences.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monogram.clusters.extract import Reader
from monogram.words import content

HERE = Path(__file__).parent
BLOCKS = ((1, 100), (101, 160), (161, 205), (206, 250), (251, 290))
"""Statements in the order in which they were labelled; the first block was in view when forms were
written."""


@dataclass(frozen=True)
class Score:
    """Rates from 0 to 1 of `n` labelled preferences; `alone`: of `none` without one; `right`: of
    proposals."""

    n: int
    attribute: float
    near: float
    target: float
    polarity: float
    none: int
    alone: float
    right: float


def own() -> list[dict[str, Any]]:
    """The project's own sentences, with what each holds."""
    return [
        json.loads(line) for line in (HERE / "own_sentences.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def personas(first: int, last: int) -> list[tuple[str, list[list[str]]]]:
    """Statements of the persona file with their labels, by their place in it; skips where the file is not."""
    beside = HERE.resolve().parents[2] / "shared/data/personas/synthetic_persona_chat_100.csv"
    file = Path(os.environ.get("MONOGRAM_PERSONAS") or beside)
    if not file.is_file():
        pytest.skip("no persona file: let MONOGRAM_PERSONAS name synthetic_persona_chat_100.csv")
    statements: dict[str, str] = {}
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            for column in ("user 1 personas", "user 2 personas"):
                for line in filter(None, map(str.strip, row[column].splitlines())):
                    statements.setdefault(hashlib.sha256(line.encode()).hexdigest()[:12], line)
    labels = [json.loads(line) for line in (HERE / "persona_labels.jsonl").read_text().splitlines()]
    return [(statements[one["sha"]], one["is"]) for one in labels if first <= one["nth"] <= last]


def score(reader: Reader, statements: Iterable[tuple[str, list[list[str]]]]) -> Score:
    """How a reader does, each statement read by itself."""
    n = attribute = near = target = polarity = none = alone = proposed = right = 0
    for statement, labels in statements:
        found = reader.read([statement])
        proposed += len(found)
        none, alone = none + (not labels), alone + (not labels and not found)
        for name, wanted, kind, *others in labels:
            said = [p for p in found if shares(p.target, wanted)]
            n += 1
            attribute += any(p.attribute == name for p in found)
            near += any(p.attribute in (name, *others) for p in found)
            target += bool(said)
            polarity += any(p.polarity == kind for p in said)
            right += any(p.attribute in (name, *others) for p in said)
    return Score(
        n,
        attribute / n,
        near / n,
        target / n,
        polarity / n,
        none,
        alone / none if none else 1.0,
        right / proposed if proposed else 1.0,
    )


def shares(one: str, other: str) -> bool:
    """Whether two targets' content words are the same, or at least half of each side's are shared."""
    a, b = set(content(one)), set(content(other))
    shared = len(a & b)
    return a == b or (shared > 0 and 2 * shared >= len(a) and 2 * shared >= len(b))
