"""report.html and report.md: a page that needs nothing from outside, and the same in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from monogram.bench.report import grounds, growing, standing
from monogram.bench.report.charts import mark
from monogram.bench.report.content import Section, Table
from monogram.bench.report.examples import RULE, examples
from monogram.bench.report.runs import Run, entries, read
from monogram.bench.report.tables import coded, grid
from monogram.errors import InputError
from monogram.files import write_text

NAMES = ("report.html", "report.md")
SPECIAL = re.compile(r"([\\`*_\[\]<>#|])")


def write(
    places: Sequence[Path],
    out: Path | None = None,
    first: Sequence[Section] = (),
    *,
    texts: bool = True,
) -> list[Path]:
    """Write the report of one run, or of several side by side.

    Args:
        places: folders of runs; a folder with several models' stands for these.
        out: folder to write to; the first of the places by default.
        first: sections to stand before the report's own.
        texts: whether questions and answers are quoted, as examples.

    Returns:
        The files.

    Raises:
        InputError: no run there, or a damaged one.
    """
    if not places:
        raise InputError("No run was named. Name the folder that was --out of a bench.")
    runs = read(places)
    folder = places[0] if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    told = {"title": title(runs), "lead": lead(runs), "sections": [*first, *sections(runs, texts=texts)]}
    for name in NAMES:
        write_text(folder / name, _rendered(name, told))
    return [folder / name for name in NAMES]


def sections(runs: Sequence[Run], *, texts: bool = True) -> Iterator[Section]:
    """All parts of a report that the runs have something for; without `texts`, none that quotes."""
    every = entries(runs)
    for part in (standing.headline, standing.frontier, standing.gates):
        yield from part(every)
    for part in (growing.retention, growing.sizes, growing.multiturn, growing.cost, growing.capability):
        yield from part(every)
    yield from standing.forms(every)
    if texts and (drawn := examples(every)):
        yield Section("examples", "Examples", (RULE,), examples=drawn)
    yield from grounds.agreement(every)
    yield from standing.everything(every)
    yield from grounds.how(runs)
    yield from grounds.left_out(runs)


def title(runs: Sequence[Run]) -> str:
    """What was measured."""
    return ", ".join(dict.fromkeys(name for run in runs for name in run.info["tasks"]))


def lead(runs: Sequence[Run]) -> str:
    """On what, in a line."""
    told = []
    for run in runs:
        items = len({row["item"] for row in run.rows if row["task"] and "scores" in row})
        model = run.info.get("model", {}).get("name")
        told.append(f"{model}, {len(run.summary)} methods, {items} items")
    return "; ".join(dict.fromkeys(told))


def _rendered(name: str, told: dict[str, Any]) -> str:
    loader = PackageLoader("monogram.bench.report", "templates")
    page = Environment(
        loader=loader,
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters |= {"md": plain, "fenced": fenced, "grid": _grid, "told": _told}
    style = resources.files("monogram.bench.report").joinpath("templates/report.css")
    page.globals |= {"style": style.read_text(encoding="utf-8"), "swatch": lambda n: mark(n, 8, 8)}
    return page.get_template(f"{name}.j2").render(told)


def plain(text: str) -> str:
    """A text as Markdown shows it letter by letter, on one line."""
    return " ".join(SPECIAL.sub(r"\\\1", text).split())


def fenced(text: str) -> str:
    """A text as a block of code that it cannot end."""
    longest = max(map(len, re.findall("~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _told(fact: str, name: str) -> str:
    shown = coded(name, fact)
    return plain(fact) if shown == fact else shown


def _grid(table: Table) -> str:
    rows = [list(table.head), *([cell.line for cell in row] for row in table.rows)]
    return grid([[plain(cell) for cell in row] for row in rows])
