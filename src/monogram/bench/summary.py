"""summary.json, run.json and the Markdown table, made from the raw outputs alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monogram.bench import intervals
from monogram.bench.headline import by_item, score
from monogram.bench.intervals import Figure
from monogram.bench.manifest import write_json
from monogram.bench.raw import BASE, PREPARE, SKIPPED, RawLog, Record
from monogram.bench.report.tables import markdown
from monogram.bench.scorers.marks import FILE, by_scorer, joined, scored, scorers
from monogram.bench.tasks.base import Task
from monogram.files import write_text
from monogram.journal import Journal

Summary = dict[str, dict[str, Figure]]
DETAILS = ("phrasings", "dropped", "rank", "nbytes")
"""What is told of single preferences, as a mean."""


def write_summary(folder: Path, tasks: Sequence[Task], run: Mapping[str, Any]) -> dict[str, Any]:
    """Write summary.json, run.json and summary.md beside raw.jsonl.

    Args:
        folder: the run's folder.
        tasks: what was run.
        run: what it was made with (its manifest, the command); kept in run.json under "run", with the time
            of writing where it tells none.

    Returns:
        What summary.json holds.
    """
    log = RawLog.read(folder / "raw.jsonl")
    rows = joined(folder, list(log.records.values()))
    order, seed = list(run.get("methods", {})), int(run.get("seeds", [0])[0])
    found = summarise(rows, tasks, order, seed)
    plain = {
        method: {metric: figure.as_dict() for metric, figure in metrics.items()}
        for method, metrics in found.items()
    }
    info = {"written": datetime.now(UTC).isoformat(timespec="seconds"), **run, "skipped": skipped(rows)}
    write_json(folder / "summary.json", plain)
    write_json(folder / "run.json", {"run": info})
    marks = by_scorer(scored(rows), scorers(Journal.read(folder / FILE)))
    write_text(folder / "summary.md", markdown(found, tasks, info, marks))
    return plain


def summarise(
    rows: Sequence[Record], tasks: Sequence[Task], order: Sequence[str] = (), seed: int = 0
) -> Summary:
    """Method -> metric -> figure: the headline, each task's figures, and what the methods cost.

    Rates have Wilson's interval over all answers; the others a bootstrap interval; the score's bootstrap
    draws items. `seconds_per_preference` (median), `prompt_tokens` (that the method adds to a request),
    `phrasings` and `dropped` are per preference.
    """
    by_method: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        if row["method"] != BASE and row["kind"] != SKIPPED:
            by_method[row["method"]].append(row)
    names = [*(name for name in order if name in by_method), *(n for n in by_method if n not in order)]
    return {name: _metrics(by_method[name], tasks, seed) for name in names}


def skipped(rows: Sequence[Record]) -> list[dict[str, str]]:
    """What could not be asked, and why; the same for several items is said once."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        if "why" in row:
            found[row["method"], row["task"], row["why"]].append(row["item"])
    return [
        {"method": method, "task": task, "items": ", ".join(dict.fromkeys(items)), "why": why}
        for (method, task, why), items in found.items()
    ]


def _metrics(rows: Sequence[Record], tasks: Sequence[Task], seed: int) -> dict[str, Figure]:
    asked = [row for row in rows if "why" not in row]
    found: dict[str, Figure] = {}
    headline = score(by_item(asked), seed)
    if any(row["task"] == "upqa" for row in asked):
        found["score"] = headline
    for task in tasks:
        if own := [row for row in asked if row["task"] == task.name]:
            found |= task.figures(own, seed)
    taken = [row for row in rows if row["kind"] == PREPARE and not row.get("again")]
    ready = [row for row in taken if row["preferences"] == 1]
    found["seconds_per_preference"] = intervals.median([row["seconds"] for row in ready], seed)
    if memory := [row["extra_memory"] / 1e6 for row in ready if row.get("extra_memory") is not None]:
        found["extra_memory"] = intervals.median(memory, seed)
    extra = [row["extra_tokens"] for row in asked if "extra_tokens" in row]
    found["prompt_tokens"] = intervals.mean(extra, seed)
    for detail in DETAILS:
        values = [row["details"][detail] for row in ready if detail in row["details"]]
        if values:
            found[detail] = intervals.mean(values, seed)
    return found
