"""Sixty labelled answers, about preferences that we made up, with the mark that each scorer gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monogram.bench.scorers.calibration import polarity_of
from monogram.bench.scorers.case import Case

FILE = Path(__file__).parent / "labelled_answers.jsonl"
RECORDS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
LABELS = [bool(record["label"]) for record in RECORDS]
CASES = [
    Case(
        question=record["question"],
        answer=record["answer"],
        attribute=record["attribute"],
        target=record["target"],
        polarity=polarity_of(record["attribute"]),
        at_length=record["kind"] in ("implicit", "product"),
    )
    for record in RECORDS
]


def expected(scorer: str) -> list[bool | None]:
    """What a scorer is known to say, right or wrong."""
    return [record["expected"][scorer] for record in RECORDS]
