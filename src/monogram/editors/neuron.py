"""The flagship: a neuron of its own for each preference (docs/methods.md §2).

In a gated MLP, y = D (act(G x) ⊙ (U x)), the neuron that does least on ordinary text is overwritten:

    g_n ← z · detector        fires on the intent, where an answer starts       (detect.fit)
    u_n ← start / z           is 1 where an answer starts, 0 at other tokens    (detect.constant)
    d_n ← r                   what makes the model say the target               (values.value_step)

so that its activation is about 1 on the intent and nothing elsewhere: the two rows are a product of two
readings, *what* is asked and *that* an answer starts here. Without a gate (GPT-2's kin), y = D act(U x + b),
the detector does both. Detector and residual belong to one preference alone; only which neuron it gets hangs
on the set: preferences in the order of their digests take the neurons in the order of their importance, least
first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from monogram.clusters.cluster import KINDS, Cluster
from monogram.clusters.pool import contrast_of, pool
from monogram.delta import Delta, LowRank
from monogram.editors import detect
from monogram.editors.base import Edit, Progress, chosen_layer
from monogram.editors.keys import read_starts
from monogram.editors.lines import Lines, lines_of
from monogram.editors.values import ValueConfig, ValueResult, value_step
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.moments import Moments, moments


@dataclass(frozen=True)
class NeuronConfig:
    """Settings of `neuron`. How the defaults were found, and on which data, is in docs/log.md.

    Attributes:
        layer: which layer, or its place as a fraction of the depth.
        strength: C of the detector's ridge, see `detect.fit`.
        margin: how far below 0 negatives are pushed.
        threshold: added to the detector where an answer starts, in units of its 1; negative fires less.
        sharpness: z, the pre-activation at gate 1; the larger, the nearer the activation is to a line from 0.
        asks, advice: how many phrasings the value step uses that ask, and of each kind that wants advice.
        value: the value step's settings.
        fast: the tail alone in the value step; False runs the whole model (`neuron-plain`).
    """

    layer: int | float = 0.76
    strength: float = 10.0
    margin: float = 0.1
    threshold: float = 0.0
    sharpness: float = 10.0
    asks: int = 4
    advice: int = 2
    value: ValueConfig = field(default_factory=ValueConfig)
    fast: bool = True


@dataclass(frozen=True)
class Stitch:
    """What one preference needs, whatever else is present: float64 g, u, c (d,) and r (d_out,).

    c·x is 1 where answers start, and carries the biases of the neuron that is overwritten.
    """

    gate: Tensor
    up: Tensor
    steady: Tensor
    residual: Tensor
    losses: tuple[float, ...]


class Neuron:
    """One neuron for each preference; three rank-one changes of one layer."""

    name: ClassVar[str] = "neuron"

    def __init__(self, config: NeuronConfig | None = None, **settings: object) -> None:
        self.config = replace(config or NeuronConfig(), **settings)  # type: ignore[arg-type]

    def edit(
        self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Progress | None = None
    ) -> Edit:
        """See `Editor.edit`.

        Raises:
            LayerError: the layer is not there.
            InputError: more preferences than the layer has neurons, or one of them twice.
        """
        layer = chosen_layer(model, self.config.layer)
        ordered = sorted(clusters, key=lambda c: c.preference.digest)
        if len({c.preference.digest for c in ordered}) < len(ordered) or len(ordered) > model.inner:
            raise InputError(
                f"{len(ordered)} preferences were given for the {model.inner} neurons of a layer; "
                "give each preference once, and at most as many as there are neurons."
            )
        begun = time.perf_counter()
        around = moments(model, layer, progress=progress)
        stitches = []
        for done, cluster in enumerate(ordered):
            if progress is not None:
                progress("stitching preferences", done, len(ordered))
            stitches.append(self.stitch(model, cluster, around))
        delta = self._delta(model, around, stitches)
        details = {
            "layer": layer,
            "neurons": self._free(model, around)[: len(ordered)].tolist(),
            "loss": [s.losses[-1] for s in stitches],
            "steps": [len(s.losses) - 1 for s in stitches],
            "seconds": time.perf_counter() - begun,
        }
        return Edit(delta, details)

    def stitch(self, model: EditableModel, cluster: Cluster, around: Moments) -> Stitch:
        """Detector and residual of one preference, as if alone."""
        gate, up, steady = self._rows(model, cluster, around)
        value = self.value_step(model, cluster)
        residual = value.residual if model.layout.gated else value.residual / self.config.sharpness
        return Stitch(gate, up, steady, residual, value.losses)

    def value_step(self, model: EditableModel, cluster: Cluster) -> ValueResult:
        """The value step alone, for `bench cost`."""
        lines: Lines = lines_of(model, cluster, self.config.asks, self.config.advice)
        return value_step(
            model,
            chosen_layer(model, self.config.layer),
            lines.prompts,
            lines.answers,
            self.config.value,
            weights=lines.weights,
            fast=self.config.fast,
        )

    def _rows(self, model: EditableModel, cluster: Cluster, around: Moments) -> tuple[Tensor, Tensor, Tensor]:
        """The neuron's readings of x, and the constant: (g, u, c), each (d,); u is idle without a gate."""
        config, layer = self.config, around.layer
        shared = read_starts(model, layer, [e.phrasing.messages() for e in pool()], keep=True).double()
        asks, others, unrelated = contrast_of(cluster)
        read = {
            p: row
            for part in (cluster.train, cluster.contrast)
            if part
            for p, row in zip(
                part, read_starts(model, layer, [p.messages() for p in part], keep=True).double(), strict=True
            )
        }
        own = [torch.stack(rows) for kind in KINDS if (rows := [read[p] for p in cluster.of_kind(kind)])]
        alike = torch.stack([read[p] for p in cluster.contrast]) if cluster.contrast else shared[:0]
        elsewhere = around.inputs.double()
        starts = torch.cat([shared, around.starts.double()])
        steady = detect.constant(starts)
        start = detect.constant(starts, elsewhere)
        gated = model.layout.gated
        direction = detect.fit(
            own,
            [
                *((rows, 1.0) for rows in (alike, shared[asks], shared[others], shared[unrelated])),
                (elsewhere, 0.3 if gated else 1.0),
            ],
            steady if gated else start,
            strength=config.strength,
            margin=config.margin,
        )
        direction = direction + config.threshold * steady
        return config.sharpness * direction, start / config.sharpness, steady

    def _free(self, model: EditableModel, around: Moments) -> Tensor:
        """Neurons by importance on ordinary text (mean |activation| · ‖d_n‖), least first."""
        columns = model.matrix("down", around.layer).double().norm(dim=0)
        return torch.argsort(around.activity.to(columns.device) * columns, stable=True)

    def _delta(self, model: EditableModel, around: Moments, stitches: Sequence[Stitch]) -> Delta:
        """Overwrite the neurons: rank-one changes, summed up; float64, rounded once at the end."""
        if not stitches:
            return Delta.zero()
        layer, count = around.layer, len(stitches)
        names, places = model.names(layer), self._free(model, around)[:count]
        picks = torch.zeros(count, model.inner, dtype=torch.float64, device=places.device)
        picks[torch.arange(count), places] = 1
        gates, ups, steady, residuals = (
            torch.stack([getattr(s, part) for s in stitches]) for part in ("gate", "up", "steady", "residual")
        )
        columns = model.matrix("down", layer).double()[:, places]
        factors = {names["down"]: LowRank((residuals - columns.T).T.contiguous(), picks)}
        wanted = {"gate": gates, "up": ups} if model.layout.gated else {"up": gates}
        for role, rows in wanted.items():
            biases = self._bias(model, layer, role)[places, None] * steady
            change = rows - biases - model.matrix(role, layer).double()[places]
            part = model.layout.rows(role, model.inner)
            tall = 2 * model.inner if model.layout.fused_gate else model.inner
            left = torch.zeros(tall, count, dtype=torch.float64, device=places.device)
            left[part] = picks.T
            factor = LowRank(left, change)
            factors[names[role]] = factors[names[role]] + factor if names[role] in factors else factor
        kept = torch.float64 if model.dtype == torch.float64 else torch.float32
        return Delta(factors).to(kept)

    def _bias(self, model: EditableModel, layer: int, role: str) -> Tensor:
        """(d_ff,) the biases of a role's neurons, zero where the matrix has none."""
        bias = getattr(model.module(model.names(layer)[role]), "bias", None)
        zero = torch.zeros(model.inner, dtype=torch.float64, device=model.device)
        return zero if bias is None else bias.double()[model.layout.rows(role, model.inner)]


class NeuronPlain(Neuron):
    """The same edit with the whole model in every gradient step: the oracle and the yardstick."""

    name: ClassVar[str] = "neuron-plain"

    def __init__(self, config: NeuronConfig | None = None, **settings: object) -> None:
        super().__init__(config, **settings)
        self.config = replace(self.config, fast=False)
