"""summary.json, run.json and the Markdown table, made from the raw outputs alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monogram.bench import intervals
from monogram.bench.intervals import Figure
from monogram.bench.manifest import write_json
from monogram.bench.questions import ELSEWHERE, PREFERENCE_KINDS, marks
from monogram.bench.raw import BASE, RawLog, Record
from monogram.bench.report import markdown
from monogram.files import write_text

HEADLINE = ("direct", "paraphrased", "implicit", "product", "leak", "crosstalk", "top1")
"""What the score is the harmonic mean of; of leak and crosstalk, the share that is free of it."""
RATES = (
    *PREFERENCE_KINDS,
    *ELSEWHERE,
    "crosstalk_changed",
    "terse",
    "repetition",
    *(f"contains_{kind}" for kind in PREFERENCE_KINDS),
    "excluded",
)

Summary = dict[str, dict[str, Figure]]


def write_summary(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Write summary.json, run.json and summary.md beside raw.jsonl.

    Args:
        folder: the run's folder.
        run: what it was made with (its manifest, the command); kept in run.json under "run".

    Returns:
        What summary.json holds.
    """
    log = RawLog.read(folder / "raw.jsonl")
    order, seed = list(run.get("methods", {})), int(run.get("seed", 0))
    found = summarise(list(log.records.values()), order, seed)
    plain = {
        method: {metric: figure.as_dict() for metric, figure in metrics.items()}
        for method, metrics in found.items()
    }
    info = {**run, "written": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(folder / "summary.json", plain)
    write_json(folder / "run.json", {"run": info})
    write_text(folder / "summary.md", markdown(found, info))
    return plain


def summarise(records: Sequence[Record], order: Sequence[str] = (), seed: int = 0) -> Summary:
    """Method -> metric -> figure.

    Rates have Wilson's interval over all answers; the others a bootstrap interval; the score's bootstrap
    draws items. `crosstalk_changed`, `drift`, `terse`, `repetition`, `excluded`, `seconds_per_preference`
    (median), `prompt_tokens` (that the method adds to a request), `phrasings` and `dropped` (per
    preference) are better when lower, or neither.
    """
    base = {record["variant"]: record for record in records if record["method"] == BASE}
    by_method: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record["method"] != BASE:
            by_method[record["method"]].append(record)
    names = [*(name for name in order if name in by_method), *(n for n in by_method if n not in order)]
    return {name: _metrics(by_method[name], base, seed) for name in names}


def _metrics(records: Sequence[Record], base: Mapping[str, Record], seed: int) -> dict[str, Figure]:
    told: dict[str, list[bool | None]] = {name: [] for name in RATES}
    items: dict[int, dict[str, list[bool | None]]] = defaultdict(lambda: defaultdict(list))
    extra: list[float] = []
    for record in records:
        if "answer" in record:
            for column, mark in marks(record, base[record["question"]]).items():
                told[column].append(mark)
                items[record["item"]][column].append(mark)
            extra.append(record["extra_tokens"])
    drift = [record for record in records if record["kind"] == "drift"]
    for record in drift:
        items[record["item"]]["top1"] = list(record["agrees"])
    ready = [record for record in records if record["kind"] == "prepare"]
    found = {"score": score([items[index] for index in sorted(items)], seed)}
    found |= {name: intervals.share(told[name]) for name in RATES}
    found["drift"] = intervals.mean([kl for record in drift for kl in record["kl"]], seed)
    found["top1"] = intervals.share([agrees for record in drift for agrees in record["agrees"]])
    found["seconds_per_preference"] = intervals.median([record["seconds"] for record in ready], seed)
    found["prompt_tokens"] = intervals.mean(extra, seed)
    for detail in ("phrasings", "dropped", "rank", "nbytes"):
        values = [record["details"][detail] for record in ready if detail in record["details"]]
        if values:
            found[detail] = intervals.mean(values, seed)
    return found


def score(items: Sequence[Mapping[str, Sequence[bool | None]]], seed: int = 0) -> Figure:
    """The headline (docs/evaluation.md §5): the harmonic mean of seven rates, each (k + 1) / (n + 2).

    Args:
        items: per item, column -> marks. A column without a single mark in all items (a run without drift) is
            left out of the mean.

    Returns:
        The score with a bootstrap interval over items; n is the number of items.
    """
    if not items:
        return Figure(None, None, None, 0)
    good = np.zeros((len(items), len(HEADLINE)))
    asked = np.zeros_like(good)
    for row, item in enumerate(items):
        for column, name in enumerate(HEADLINE):
            wanted = name not in ELSEWHERE
            told = [mark for mark in item.get(name, ()) if mark is not None]
            good[row, column] = sum(mark == wanted for mark in told)
            asked[row, column] = len(told)
    there = asked.sum(axis=0) > 0
    if not there.any():
        return Figure(None, None, None, 0)
    good, asked = good[:, there], asked[:, there]
    places = intervals.draws(len(items), seed)
    low, high = intervals.percentiles(_harmonic(good[places].sum(axis=1), asked[places].sum(axis=1)))
    return Figure(float(_harmonic(good.sum(axis=0), asked.sum(axis=0))), low, high, len(items))


def _harmonic(good: NDArray[np.float64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Harmonic mean over the last axis of the smoothed rates."""
    smoothed = (good + 1) / (asked + 2)
    mean: NDArray[np.float64] = smoothed.shape[-1] / (1 / smoothed).sum(axis=-1)
    return mean
