"""Tables for people, in Markdown: a row per metric, a column per method, each value with its interval."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from monogram.bench.intervals import Figure
from monogram.bench.scorers.agreement import agreements
from monogram.bench.scorers.case import Mark
from monogram.bench.scorers.marks import RULES
from monogram.bench.tasks.base import Task

Summary = Mapping[str, Mapping[str, Figure]]

FIRST = {"score": "score"}
LAST = {
    "seconds_per_preference": "seconds per preference ↓",
    "extra_memory": "extra memory meanwhile, MB ↓",
    "prompt_tokens": "prompt tokens added ↓",
    "phrasings": "phrasings trained on",
    "dropped": "phrasings dropped, too near a question",
    "rank": "rank per preference",
    "nbytes": "bytes per preference ↓",
}
DIGITS = {"drift": ".4f", "drift_system": ".4f"}
DIGITS |= dict.fromkeys(("extra_memory", "prompt_tokens", "phrasings", "steps", "rank", "nbytes"), ".0f")
DIGITS |= dict.fromkeys(("residual_difference", "residual_relative", "loss_difference"), ".1e")
DIGITS |= {"dropped": ".1f", "bytes": ".0f", "first_token": ".3f"}


def markdown(
    summary: Summary, tasks: Sequence[Task], run: Mapping[str, Any], marks: Mapping[str, Sequence[Mark]]
) -> str:
    """The report of a run.

    Args:
        summary: method -> metric -> figure.
        tasks: what was run.
        run: what it was made with: tasks, model, data, settings, command, what was skipped.
        marks: scorer -> its marks of the same answers; how far these agree is told where there are further
            scorers than the rules.
    """
    below = "With 95 % intervals (Wilson for rates, bootstrap otherwise) and n. ↓: lower is better."
    told = [f"- {name}: {coded(name, fact)}" for name, fact in facts(run).items()]
    lines = [f"# {', '.join(run.get('tasks', [])) or 'bench'}", "", *told, ""]
    lines += [table(summary, headings(summary, tasks)), "", below, ""]
    if len(marks) > len(RULES):
        lines += ["## How far the scorers agree", "", grid(agreement(marks)), ""]
    if left := run.get("skipped"):
        lines += ["## Not run", "", *(f"- {why(entry)}" for entry in left), ""]
    return "\n".join(lines)


def coded(name: str, fact: str) -> str:
    """A fact in Markdown: a command is code."""
    return f"`{fact}`" if name == "command" else fact


def headings(summary: Summary, tasks: Sequence[Task]) -> dict[str, str]:
    """Metric -> what its row is called, in the order of a table."""
    there = dict.fromkeys(metric for figures in summary.values() for metric in figures)
    found = dict(FIRST)
    for task in tasks:
        for metric in (*task.headings, *there):
            if metric not in LAST and (heading := task.heading(metric)) is not None:
                found.setdefault(metric, heading)
    return found | LAST


def why(entry: Mapping[str, str]) -> str:
    """What was not run, and why, in a line."""
    what = " ".join(entry[name] for name in ("method", "task") if entry[name] not in ("", "base"))
    items = f" ({entry['items']})" if entry["items"] else ""
    return f"{what}{items}: {entry['why']}"


def facts(run: Mapping[str, Any]) -> dict[str, str]:
    """What a run was made with, by name; what it does not tell is left out."""
    model, data, settings = (run.get(part) or {} for part in ("model", "data", "settings"))
    machine, versions = (run.get(part) or {} for part in ("machine", "versions"))
    told = {
        "model": f"{model.get('name')} ({str(model.get('digest'))[:12]}, {model.get('dtype')})",
        "data": ", ".join(f"{name} ({digest[:12]})" for name, digest in data.items()),
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None),
        "code": digest_of(run.get("code") or {})[:12],
        "seeds": ", ".join(map(str, run.get("seeds", []))) or None,
        "command": run.get("command"),
        "machine": ", ".join(f"{name} {value}" for name, value in machine.items() if value),
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "threads": str(run.get("threads") or ""),
        "finished": run.get("written"),
    }
    return {name: fact for name, fact in told.items() if fact}


def digest_of(files: Mapping[str, str]) -> str:
    """One sha256 over the digests of many files."""
    return hashlib.sha256("\n".join(f"{name} {files[name]}" for name in sorted(files)).encode()).hexdigest()


def table(summary: Summary, metrics: Mapping[str, str]) -> str:
    """A table, its columns padded so that it can be read as text, too.

    Args:
        summary: method -> metric -> figure.
        metrics: metric -> what its row is called; rows that no method has are left out.
    """
    rows = [["", *summary]]
    for name, heading in metrics.items():
        found = [figures.get(name) for figures in summary.values()]
        if any(figure is not None and figure.value is not None for figure in found):
            rows.append([heading, *(_cell(name, figure) for figure in found)])
    return grid(rows)


def agreement(marks: Mapping[str, Sequence[Mark]]) -> list[list[str]]:
    """How far each two scorers agree, as rows of text, the first one their head."""
    rows = [["scorers", "agree", "kappa", "only the first says yes", "only the second"]]
    for (a, b), found in agreements(marks).items():
        if found.raw.n:
            kappa = "–" if found.kappa is None else f"{found.kappa:.2f}"
            rows.append([f"{a} and {b}", _cell("", found.raw), kappa, str(found.yes_no), str(found.no_yes)])
    return rows


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as a Markdown table, the first one its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(_line(row, widths) for row in ruled)


def figures(plain: Mapping[str, Any]) -> dict[str, dict[str, Figure]]:
    """What summary.json holds, as figures again."""
    return {
        method: {metric: Figure(**figure) for metric, figure in metrics.items()}
        for method, metrics in plain.items()
    }


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _cell(name: str, figure: Figure | None) -> str:
    return " ".join(part for part in parts(name, figure) if part)


def parts(name: str, figure: Figure | None) -> tuple[str, str, str]:
    """A metric's figure in words: value, interval in brackets, n; "–" where there is none."""
    if figure is None or figure.value is None:
        return "–", "", ""
    form = DIGITS.get(re.sub(r"_\d+$", "", name), ".2f")
    value, n = format(figure.value, form), f"n={figure.n}"
    if figure.low is None or figure.high is None:
        return value, "", n
    return value, f"({format(figure.low, form)}–{format(figure.high, form)})", n
