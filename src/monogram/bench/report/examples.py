"""Examples of answers, drawn by a rule that has not read them.

Of each column, the rows of a method stand in the order of a digest of seed, task, item, kind and variant,
which is the same for all methods: the first that went well and the first that went wrong are shown. Of leak
and crosstalk only what went wrong: else the answer holds nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

from monogram.bench.headline import HEADLINE, UNWANTED
from monogram.bench.raw import Record
from monogram.bench.report.content import Example
from monogram.bench.report.runs import Entry

RULE = (
    "Drawn by a rule that has not read them. Each method's answers of a column stand in the order of a "
    "digest (sha256) of seed, task, item, kind and variant, the same for all methods; the first that went "
    "well and the first that went wrong are shown. Of leak and crosstalk, only the first that went wrong."
)
COLUMNS = tuple(name for name in HEADLINE if name != "top1")


def examples(entries: Sequence[Entry]) -> list[Example]:
    """The examples of all entries, column by column."""
    return [one for column in COLUMNS for entry in entries for one in _drawn(entry, column)]


def _drawn(entry: Entry, column: str) -> Iterator[Example]:
    told = [row for row in entry.rows if "answer" in row and row["scores"].get(column) is not None]
    told.sort(key=_order)
    for won in (True, False) if column not in UNWANTED else (False,):
        mark = won != (column in UNWANTED)
        row = next((row for row in told if row["scores"][column] == mark), None)
        if row is not None:
            yield _example(entry.name, column, won, row)


def _example(method: str, column: str, won: bool, row: Record) -> Example:
    base = row["base"].get("answer", "")
    return Example(
        method, column, won, row["item"], row["question"], row.get("target", ""), row["answer"], base
    )


def _order(row: Record) -> str:
    told = [row[part] for part in ("seed", "task", "item", "kind", "variant")]
    return hashlib.sha256(json.dumps(told).encode("ascii")).hexdigest()
