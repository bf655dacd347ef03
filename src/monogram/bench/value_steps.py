"""Times of the value step, several editors in one run, interleaved.

Each editor's value step, with its prefix pass, is run on the same clusters, turn and turn about (the first of
a pair changes from preference to preference), after one turn that is not counted. Whether all found the same
is reported beside the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from monogram.bench import intervals
from monogram.bench.intervals import Figure
from monogram.bench.raw import Record
from monogram.clusters.cluster import Cluster
from monogram.models.editable import EditableModel

Progress = Callable[[str, int, int], None]
KIND = "value-step"


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


def value_steps(
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
        One record per preference and editor: seconds, the first editor's, wall_seconds, steps, loss (the last
        one), and against the first editor the largest absolute difference of residual and losses.
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
                "item": str(place),
                "kind": KIND,
                "variant": "",
                "seconds": result.seconds,
                "first_seconds": first.seconds,
                "wall_seconds": wall[name],
                "steps": len(result.losses) - 1,
                "loss": float(result.losses[-1]),
                "residual_difference": float(gap.abs().max()),
                "residual_relative": float(gap.norm() / first.residual.detach().double().norm().cpu()),
                "loss_difference": max(abs(float(a) - float(b)) for a, b in pairs),
            }
            records.append(record)
    return records


def figures(records: Sequence[Record], seed: int = 0) -> dict[str, Figure]:
    """Metric -> figure, of one method's records; `ratio` is how many times the first method's median it
    takes.

    The ratio's interval draws preferences, the same for both. Differences are the largest over all of them.
    """
    seconds = [record["seconds"] for record in records]
    found = {
        "value_seconds": intervals.median(seconds, seed),
        "ratio": intervals.ratio_of_medians(seconds, [record["first_seconds"] for record in records], seed),
        "loss": intervals.mean([record["loss"] for record in records], seed),
        "steps": intervals.mean([record["steps"] for record in records], seed),
    }
    for metric in ("residual_difference", "residual_relative", "loss_difference"):
        found[metric] = Figure(max(record[metric] for record in records), None, None, len(records))
    return found
