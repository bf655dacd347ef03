"""The task `cost`: what a preference costs, several editors in one run, interleaved.

Each editor's value step, with its prefix pass, is run on the same clusters, turn and turn about (the first of
a pair changes from preference to preference), after one turn that is not counted. Whether all found the same
is reported beside the time. Nothing is resumed: times of two runs are not mixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from monogram.bench import intervals
from monogram.bench.intervals import Figure
from monogram.bench.items import load_items
from monogram.bench.manifest import code_digest, write_json
from monogram.bench.methods import preferences
from monogram.bench.raw import RawLog, Record
from monogram.bench.report import COST, figures, table
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand
from monogram.clusters.table import table as attributes
from monogram.editors.registry import editor, editor_names
from monogram.errors import InputError
from monogram.files import write_text
from monogram.models.editable import EditableModel
from monogram.preferences import Preference

Progress = Callable[[str, int, int], None]
PREFERENCES = 10
"""How many are timed where no number is given."""


class ValueResult(Protocol):
    """What a value step found: the residual (d_out,), the losses of its steps, seconds with the prefix
    pass.
    """

    @property
    def residual(self) -> Tensor: ...

    @property
    def losses(self) -> Sequence[float]: ...

    @property
    def seconds(self) -> float: ...


class Steps(Protocol):
    """An editor whose value step can be run by itself, as if its preference were alone."""

    @property
    def name(self) -> str: ...

    def value_step(self, model: EditableModel, cluster: Cluster) -> ValueResult: ...


def stepping(names: Sequence[str]) -> list[Steps]:
    """Editors with a value step, by name.

    Raises:
        UnknownNameError: no such editor.
        InputError: it has no value step of its own, or none was named.
    """
    every = "all" in names
    chosen = []
    for name in dict.fromkeys(editor_names() if every else names):
        made = editor(name)
        if hasattr(made, "value_step"):
            chosen.append(cast(Steps, made))
        elif not every:
            raise InputError(
                f"Editor '{name}' has no value step that could be timed; take neuron, neuron-plain."
            )
    if not chosen:
        raise InputError("No method was named. Take neuron and neuron-plain.")
    return chosen


def cost(
    model: EditableModel,
    editors: Sequence[Steps],
    clusters: Sequence[Cluster],
    *,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Time the value steps.

    Args:
        model: the base model.
        editors: the first is the one that the others are held against.
        clusters: one per preference, at least one.
        progress: called with (what, done, total).

    Returns:
        One record per preference and editor: seconds, wall_seconds, steps, loss (the last one), and
        against the first editor the largest absolute difference of residual and losses.
    """
    for made in editors:
        made.value_step(model, clusters[0])
    records: list[dict[str, Any]] = []
    for place, cluster in enumerate(clusters):
        found: dict[str, ValueResult] = {}
        wall: dict[str, float] = {}
        for made in editors if place % 2 == 0 else list(reversed(editors)):
            start = time.perf_counter()
            found[made.name] = made.value_step(model, cluster)
            wall[made.name] = time.perf_counter() - start
            if progress is not None:
                progress("value steps", place * len(editors) + len(found), len(clusters) * len(editors))
        first = found[editors[0].name]
        for name, result in ((made.name, found[made.name]) for made in editors):
            gap = first.residual.detach().double().cpu() - result.residual.detach().double().cpu()
            pairs = zip(first.losses, result.losses, strict=False)  # one may end a step before the other
            record = {
                "method": name,
                "item": place,
                "kind": "value-step",
                "seconds": result.seconds,
                "wall_seconds": wall[name],
                "steps": len(result.losses) - 1,
                "loss": float(result.losses[-1]),
                "residual_difference": float(gap.abs().max()),
                "residual_relative": float(gap.norm() / first.residual.detach().double().norm().cpu()),
                "loss_difference": max(abs(float(a) - float(b)) for a, b in pairs),
            }
            records.append(record)
    return records


def summarise(records: Sequence[Record], seed: int = 0) -> dict[str, dict[str, Figure]]:
    """Method -> metric -> figure; `ratio` is how many times the first method's median seconds it takes.

    The ratio's interval draws preferences, the same for both. Differences are the largest over all of them.
    """
    names = list(dict.fromkeys(record["method"] for record in records))
    seconds = {name: [r["seconds"] for r in records if r["method"] == name] for name in names}
    found: dict[str, dict[str, Figure]] = {}
    for name in names:
        own = [record for record in records if record["method"] == name]
        found[name] = {
            "seconds_per_preference": intervals.median(seconds[name], seed),
            "ratio": intervals.ratio_of_medians(seconds[name], seconds[names[0]], seed),
            "loss": intervals.mean([record["loss"] for record in own], seed),
            "steps": intervals.mean([record["steps"] for record in own], seed),
        }
        for metric in ("residual_difference", "residual_relative", "loss_difference"):
            found[name][metric] = Figure(max(record[metric] for record in own), None, None, len(own))
    return found


def clusters_of(data: Path | None, limit: int | None, per_attribute: int | None) -> list[Cluster]:
    """Clusters of a file's items, or of the table's own examples; ten where no number is given."""
    if data is None:
        chosen = [Preference.checked(a.name, a.examples[0], polarity=a.polarity) for a in attributes()]
        return [expand(preference) for preference in chosen[: limit or PREFERENCES]]
    preference = preferences()
    if limit is None and per_attribute is None:
        limit = PREFERENCES
    items = load_items(data).select(limit=limit, per_attribute=per_attribute)
    return [expand(preference(item)) for item in items]


class Tabled(Protocol):
    """A task, as far as its results are concerned."""

    @property
    def name(self) -> str: ...

    def table(self, summary: Mapping[str, Any]) -> str: ...


def no_split(task: str, split: str | None) -> None:
    """Refuse a split: this task asks nothing of the project's own people.

    Raises:
        InputError: one was given.
    """
    if split is not None:
        raise InputError(f"The task {task} has no split {split!r}. Leave it out, or give --data a file.")


def new_folder(out: Path) -> None:
    """Refuse a folder that holds a run: times of two runs are not mixed.

    Raises:
        InputError: it does.
    """
    if (out / "raw.jsonl").exists():
        raise InputError(f"{out} holds another run. Give --out a new folder.")


def finish(
    task: Tabled,
    out: Path,
    em: EditableModel,
    methods: Sequence[str],
    records: Sequence[Record],
    found: Mapping[str, Mapping[str, Figure]],
    about: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Write raw.jsonl, summary.json, run.json and summary.md; returns the summary as plain data."""
    out.mkdir(parents=True, exist_ok=True)
    with RawLog(out / "raw.jsonl") as log:
        for record in records:
            log.append(record)
    made_with = {
        "task": task.name,
        "model": {"name": em.name, "digest": em.digest},
        "methods": list(methods),
        **about,
        "code": code_digest(),
        "threads": torch.get_num_threads(),
        "seed": seed,
    }
    plain = {name: {metric: f.as_dict() for metric, f in row.items()} for name, row in found.items()}
    write_json(out / "summary.json", plain)
    write_json(out / "run.json", {"run": made_with})
    write_text(out / "summary.md", f"# {task.name}\n\n{task.table(plain)}\n")
    return plain


class CostTask:
    """Seconds per preference: the value step with its prefix pass."""

    name = "cost"
    help = "What does a preference cost in seconds, and do fast and plain find the same?"

    def run(
        self,
        *,
        data: Path | None,
        split: str | None,
        methods: str,
        model: str,
        limit: int | None,
        per_attribute: int | None,
        out: Path,
        seed: int,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Time the editors' value steps and write raw.jsonl, summary.json, run.json and summary.md.

        Raises:
            InputError: a bad file, choice or method, or a folder that holds another run.
        """
        no_split(self.name, split)
        new_folder(out)
        editors = stepping([name.strip() for name in methods.split(",")])
        clusters = clusters_of(data, limit, per_attribute)
        em = EditableModel.load(model, progress=progress)
        records = cost(em, editors, clusters, progress=progress)
        about = {"preferences": [cluster.preference.digest for cluster in clusters]}
        names = [made.name for made in editors]
        return finish(self, out, em, names, records, summarise(records, seed), about, seed)

    def table(self, summary: Mapping[str, Any]) -> str:
        """The summary, a row per metric."""
        return table(figures(summary), COST)


task = CostTask()
