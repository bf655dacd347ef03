"""A search shown to people: a table of all candidates, and the report's page with recall against what fires
where it should not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    "Then the best of the best layers, and the defaults, write answers. The best score is chosen; among "
    "equals, the defaults. With so few items a difference may be chance: mind the intervals."
)


def write(record: Mapping[str, Any], out: Path) -> list[Path]:
    """Write the report of the search's run with the search before it: report.html and report.md."""
    return report.write([out], first=[section(record)])


def section(record: Mapping[str, Any]) -> Section:
    """The search: all candidates, and what is recalled against what fires where it should not."""
    head, rows = _rows(record)
    table = Table("Candidates", head, [[Cell(row[0].line), *row[1:]] for row in rows])
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
    told = ", ".join(f"{name} {value:g}" for name, value in record["settings"].items())
    usual = " (the defaults)" if record["settings"] == record["defaults"] else ""
    return f"{record['editor']} on {record['model']}: {told}{usual}."


def figures(plain: Mapping[str, Any]) -> dict[str, Figure]:
    """Metric -> figure, from plain data."""
    return {metric: Figure(**told) for metric, told in plain.items()}


def _rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[Cell]]]:
    """Heads and cells: what was measured first, then by gates."""
    rows = []
    for one in sorted(record["candidates"], key=_standing):
        gates, measured = figures(one["gates"]), figures(one["measured"] or {})
        name = f"layer {one['layer']}, threshold {one['threshold']:g}"
        here = {"layer": one["layer"], "threshold": one["threshold"]}
        mark = " ← chosen" if here == record["settings"] else ""
        mark += " (defaults)" if here == record["defaults"] else ""
        told = [figure_cell(metric, measured.get(metric)) for metric in SAYS]
        rows.append([Cell(name + mark), *(figure_cell(metric, gates[metric]) for metric in FIRES), *told])
    return ["candidate", *FIRES.values(), *SAYS.values()], rows


def _standing(one: Mapping[str, Any]) -> tuple[float, float]:
    measured = ((one["measured"] or {}).get("score") or {}).get("value")
    return -(measured if measured is not None else -1.0), -(one["gates"]["score"]["value"] or 0.0)


def _plane(record: Mapping[str, Any], metric: str, title: str, x: str) -> Chart:
    """Where the best threshold of each layer fires, wanted (upward) and not."""
    best: dict[int, tuple[float, float, Mapping[str, Figure]]] = {}
    for one in record["candidates"]:
        gates = figures(one["gates"])
        value = gates["score"].value or 0.0
        if one["layer"] not in best or value > best[one["layer"]][0]:
            best[one["layer"]] = (value, one["threshold"], gates)
    points = {
        f"layer {layer}, threshold {threshold:g}": (gates[metric], gates["recall"])
        for layer, (_, threshold, gates) in best.items()
    }
    told = (
        "Where the best threshold of each layer fires: at own questions (upward), elsewhere (to the right)."
    )
    frontier: Sequence[str] = beaten_by_none(points)
    return charts.plane(f"calibration-{metric}", title, told, x, points, frontier)
