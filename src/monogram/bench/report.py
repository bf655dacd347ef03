"""Tables for people, in Markdown: a row per metric, a column per method, each value with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monogram.bench.intervals import Figure

Summary = Mapping[str, Mapping[str, Figure]]

UPQA = {
    "score": "score",
    "direct": "direct",
    "paraphrased": "paraphrased",
    "implicit": "implicit",
    "product": "product",
    "leak": "leak ↓",
    "crosstalk": "crosstalk ↓",
    "crosstalk_changed": "crosstalk, answer changed ↓",
    "drift": "drift, KL ↓",
    "top1": "top-1 agreement",
    "terse": "terse ↓",
    "repetition": "repetition ↓",
    "implicit_assistant": "implicit, put to the assistant",
    "contains_direct": "contains: direct",
    "contains_paraphrased": "contains: paraphrased",
    "contains_implicit": "contains: implicit",
    "contains_product": "contains: product",
    "seconds_per_preference": "seconds per preference ↓",
    "prompt_tokens": "prompt tokens added ↓",
    "phrasings": "phrasings trained on",
    "dropped": "phrasings dropped, too near a question",
    "excluded": "left out of recall (no telling word)",
}
COST = {
    "seconds_per_preference": "seconds per preference, median ↓",
    "ratio": "times the first method's",
    "steps": "steps",
    "loss": "loss at the end",
    "residual_difference": "residual differs by, at most",
    "residual_relative": "the same, of its length",
    "loss_difference": "losses differ by, at most",
}
AMONG = {
    "alone": "seconds of an add, nothing else there, median ↓",
    "among": "of the same add among the others ↓",
    "among_ratio": "times the add alone ↓",
    "forget": "seconds of forgetting one of the others ↓",
    "forget_ratio": "times the add alone ↓",
}
DIGITS = {"drift": ".4f", "prompt_tokens": ".0f", "phrasings": ".0f", "dropped": ".1f", "steps": ".0f"}
DIGITS |= dict.fromkeys(("residual_difference", "residual_relative", "loss_difference"), ".1e")


def markdown(summary: Summary, run: Mapping[str, Any]) -> str:
    """The report of a run of `upqa`.

    Args:
        summary: method -> metric -> figure.
        run: what it was made with: task, model, data, settings, command.
    """
    below = "With 95 % intervals (Wilson for rates, bootstrap otherwise) and n. ↓: lower is better."
    parts = [f"# {run.get('task', 'bench')}", "", *facts(run), "", table(summary, UPQA), "", below, ""]
    return "\n".join(parts)


def facts(run: Mapping[str, Any]) -> list[str]:
    """What a run was made with, as a list."""
    model, data, settings = (run.get(part) or {} for part in ("model", "data", "settings"))
    told = {
        "model": f"{model.get('name')} ({str(model.get('digest'))[:12]}, {model.get('dtype')})",
        "data": f"{data.get('file')} ({str(data.get('sha256'))[:12]}), {len(data.get('items', []))} items",
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items()),
        "code": str(run.get("code"))[:12],
        "seed": run.get("seed"),
        "command": f"`{run['command']}`" if run.get("command") else None,
    }
    return [f"- {name}: {fact}" for name, fact in told.items() if fact is not None]


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
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(row, widths) for row in rows)


def figures(plain: Mapping[str, Any]) -> dict[str, dict[str, Figure]]:
    """What summary.json holds, as figures again."""
    return {
        method: {metric: Figure(**figure) for metric, figure in metrics.items()}
        for method, metrics in plain.items()
    }


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _cell(name: str, figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "–"
    form = DIGITS.get(name, ".2f")
    value = format(figure.value, form)
    if figure.low is None or figure.high is None:
        return f"{value} n={figure.n}"
    return f"{value} ({format(figure.low, form)}–{format(figure.high, form)}) n={figure.n}"
