"""A search shown to people: a table of all candidates, and the report's page with recall against what fires
where it should not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monogram.bench.calibration.candidates import DRIFT, SURE, shown
from monogram.bench.intervals import Figure
from monogram.bench.report import charts
from monogram.bench.report import page as report
from monogram.bench.report.content import Cell, Chart, Section, Table, figure_cell
from monogram.bench.report.standing import beaten_by_none
from monogram.bench.report.tables import grid

FIRES = {"score": "gates", "recall": "fires: own questions"}
FIRES |= {"leak": "others ↓", "crosstalk": "other attributes ↓", "unrelated": "unrelated ↓"}
SAYS = {"score": "score", "direct": "direct", "paraphrased": "paraphrased", "implicit": "implicit"}
SAYS |= {"product": "product", "leak": "leak ↓", "crosstalk": "crosstalk ↓", "drift": "drift, KL ↓"}
GATES = (
    "First, gates: how often each candidate's neuron would fire (above 0.3) at the calibration split's own "
    "questions, at questions about somebody else and about other attributes, and at unrelated prompts; "
    "“gates” is the benchmark's headline over these. No answer is written for it. Drawn is the best "
    "threshold of each layer."
)
ANSWERS = (
    "Answers are written with the defaults (and the best of the best layers, where gates told them), then "
    "with other values of one setting after the other, each beside what was best so far, which stays unless "
    f"the score is better in {SURE:.0%} of the paired bootstrap's draws and the drift at most {DRIFT} nats, "
    "or what it was. With so few items a difference may be chance all the same: mind the intervals."
)


def write(record: Mapping[str, Any], out: Path) -> list[Path]:
    """Write the report of the search's run with the search before it: report.html and report.md."""
    return report.write([out], first=[section(record)])


def section(record: Mapping[str, Any]) -> Section:
    """The search: all candidates, and what is recalled against what fires where it should not."""
    head, rows = _rows(record)
    table = Table("Candidates", head, [[Cell(row[0].line), *row[1:]] for row in rows])
    if not any(one["gates"] for one in record["candidates"]):
        return Section("calibration", "Calibration", (said(record), ANSWERS), [], [table])
    drawn = [
        _plane(record, "leak", "Own questions against others'", "fires at others' (lower is better)"),
        _plane(record, "unrelated", "Own questions against unrelated prompts", "fires at unrelated prompts"),
    ]
    return Section("calibration", "Calibration", (said(record), GATES, ANSWERS), drawn, [table])


def table(record: Mapping[str, Any]) -> str:
    """All candidates as a table in plain text; the chosen one is marked."""
    head, rows = _rows(record)
    return grid([head, *([cell.text for cell in row] for row in rows)])


def said(record: Mapping[str, Any]) -> str:
    """What was chosen, in a line."""
    usual = " (the defaults)" if record["settings"] == record["defaults"] else ""
    return f"{record['editor']} on {record['model']}: {_named(record['settings'])}{usual}."


def figures(plain: Mapping[str, Any]) -> dict[str, Figure]:
    """Metric -> figure, from plain data."""
    return {metric: Figure(**told) for metric, told in plain.items()}


def _rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[Cell]]]:
    """Heads and cells: what was measured first, then by gates."""
    rows = []
    fires = FIRES if any(one["gates"] for one in record["candidates"]) else {}
    for one in sorted(record["candidates"], key=_standing):
        gates, measured = figures(one["gates"] or {}), figures(one["measured"] or {})
        mark = " ← chosen" if one["settings"] == record["settings"] else ""
        mark += " (defaults)" if one["settings"] == record["defaults"] else ""
        fired = [figure_cell(metric, gates.get(metric)) for metric in fires]
        told = [figure_cell(metric, measured.get(metric)) for metric in SAYS]
        rows.append([Cell(_named(one["settings"]) + mark), *fired, *told])
    return ["candidate", *fires.values(), *SAYS.values()], rows


def _named(settings: Mapping[str, Any]) -> str:
    told = ", ".join(f"{setting} {shown(value)}" for setting, value in settings.items())
    return told or "nothing else"


def _standing(one: Mapping[str, Any]) -> tuple[float, float]:
    measured = ((one["measured"] or {}).get("score") or {}).get("value")
    heard = ((one["gates"] or {}).get("score") or {}).get("value")
    return -(measured if measured is not None else -1.0), -(heard or 0.0)


def _plane(record: Mapping[str, Any], metric: str, title: str, x: str) -> Chart:
    """Where the best threshold of each layer fires, wanted (upward) and not."""
    best: dict[int, tuple[float, float, Mapping[str, Figure]]] = {}
    for one in (one for one in record["candidates"] if one["gates"]):
        gates, layer = figures(one["gates"]), one["settings"]["layer"]
        value = gates["score"].value or 0.0
        if layer not in best or value > best[layer][0]:
            best[layer] = (value, one["settings"]["threshold"], gates)
    points = {
        f"layer {layer}, threshold {threshold:g}": (gates[metric], gates["recall"])
        for layer, (_, threshold, gates) in best.items()
    }
    told = (
        "Where the best threshold of each layer fires: at own questions (upward), elsewhere (to the right)."
    )
    frontier: Sequence[str] = beaten_by_none(points)
    return charts.plane(f"calibration-{metric}", title, told, x, points, frontier)
