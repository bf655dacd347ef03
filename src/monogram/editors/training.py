"""Training by gradient on whole answers (`lessons.py`): the one loop of fine-tuning and LoRA.

What changes weights is put on by the method, so nothing here writes to them. Nothing is kept per preference
either: all preferences are trained together, so a method of this room is run again over the whole set when it
changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta
from monogram.editors.base import Edit, Progress
from monogram.editors.kept import Keep
from monogram.editors.lines import Lines
from monogram.editors.values import OnStep
from monogram.errors import EditRefusedError, InputError
from monogram.models.editable import EditableModel

AGAIN = "the whole set of preferences, at every change"
"""What is run again; stands in the details."""


@dataclass(frozen=True)
class Pace:
    """How long and how fast.

    Attributes:
        steps: passes over all rows, at most; one step of Adam each where the rows fit into one batch.
        lr: Adam's learning rate.
        batch: rows of one step.
        stop: mean loss of a pass from which on no further one begins.
        seed: of the order of rows, where they do not fit into one batch.
    """

    steps: int
    lr: float
    batch: int
    stop: float
    seed: int


class Trained:
    """An editor that is one training run over all preferences."""

    name: ClassVar[str]
    config: Any

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """All preferences in one run, in the order of their digests. Nothing is kept between runs: each set
        is trained from the base model anew, so the delta hangs on the set and `config.seed` alone.

        Raises:
            InputError: a cluster without phrasings.
            LayerError: the layer is not there.
            EditRefusedError: the loss is no longer a number.
        """
        del keep
        begun = time.perf_counter()
        ordered = sorted(clusters, key=lambda cluster: cluster.preference.digest)
        for cluster in ordered:
            if not cluster.train:
                raise InputError(
                    f"No phrasing is left to train '{cluster.preference.attribute}' on. Give one."
                )

        def tell(done: int, count: int) -> None:
            if progress is not None:
                progress(f"training {self.name}", done, count)

        delta, losses, more = self.trained(model, ordered, tell) if ordered else (Delta.zero(), [], {})
        told = {"loss": losses[-1:], "steps": len(losses), "trained_again": AGAIN}
        return Edit(delta, {**more, **told, "seconds": time.perf_counter() - begun})

    def trained(
        self, model: EditableModel, clusters: Sequence[Cluster], tell: OnStep
    ) -> tuple[Delta, list[float], Mapping[str, Any]]:
        """The delta, the mean loss of each pass, and further details."""
        raise NotImplementedError


def joined(every: Sequence[Lines]) -> Lines:
    """The lines of several clusters, one after the other."""
    return Lines(
        *([row for lines in every for row in getattr(lines, part)] for part in Lines.__annotations__)
    )


def train(
    parameters: Sequence[Tensor],
    loss: Callable[[list[int]], Tensor],
    rows: int,
    pace: Pace,
    *,
    after: Callable[[int], None] | None = None,
    on_step: OnStep | None = None,
) -> list[float]:
    """Take Adam's steps, and return the mean loss of each pass, as it was met.

    Args:
        loss: the loss of some rows.
        rows: how many rows there are.
        after: called with the step's number after each of Adam's, while its gradients are still there.
        on_step: called with (pass, passes at most) before each pass.

    Raises:
        EditRefusedError: the loss is no longer a number.
    """
    adam = torch.optim.Adam(parameters, lr=pace.lr)
    draw = torch.Generator().manual_seed(pace.seed)
    losses: list[float] = []
    taken = 0
    for step in range(pace.steps):
        if on_step is not None:
            on_step(step, pace.steps)
        order = torch.randperm(rows, generator=draw).tolist() if rows > pace.batch else list(range(rows))
        met = 0.0
        for start in range(0, rows, pace.batch):
            chosen = order[start : start + pace.batch]
            found = loss(chosen)
            if not bool(found.isfinite()):
                raise EditRefusedError(
                    f"Training lost its footing at step {taken}: the loss is {found.item()}."
                )
            adam.zero_grad()
            torch.autograd.backward(found, inputs=list(parameters))
            adam.step()
            if after is not None:
                after(taken)
            taken += 1
            met += found.item() * len(chosen) / rows
        losses.append(met)
        if met <= pace.stop:
            break
    return losses
