"""Overwrite the neurons that do least: stitches in, a delta of one layer out (docs/methods.md §2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from monogram.delta import Delta, LowRank
from monogram.models.editable import EditableModel
from monogram.models.moments import Moments


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


def free(model: EditableModel, around: Moments) -> Tensor:
    """Neurons by importance on ordinary text (mean |activation| · ‖d_n‖), least first."""
    columns = model.matrix("down", around.layer).double().norm(dim=0)
    return torch.argsort(around.activity.to(columns.device) * columns, stable=True)


def overwrite(model: EditableModel, around: Moments, stitches: Sequence[Stitch]) -> Delta:
    """Rank-one changes, summed up: one neuron for each stitch, the least important first. Float64, rounded
    once at the end.
    """
    if not stitches:
        return Delta.zero()
    layer, count = around.layer, len(stitches)
    names, places = model.names(layer), free(model, around)[:count]
    picks = torch.zeros(count, model.inner, dtype=torch.float64, device=places.device)
    picks[torch.arange(count), places] = 1
    gates, ups, steady, residuals = (
        torch.stack([getattr(s, part) for s in stitches]) for part in ("gate", "up", "steady", "residual")
    )
    columns = model.matrix("down", layer).double()[:, places]
    factors = {names["down"]: LowRank((residuals - columns.T).T.contiguous(), picks)}
    wanted = {"gate": gates, "up": ups} if model.layout.gated else {"up": gates}
    for role, rows in wanted.items():
        biases = _bias(model, layer, role)[places, None] * steady
        change = rows - biases - model.matrix(role, layer).double()[places]
        part = model.layout.rows(role, model.inner)
        tall = 2 * model.inner if model.layout.fused_gate else model.inner
        left = torch.zeros(tall, count, dtype=torch.float64, device=places.device)
        left[part] = picks.T
        factor = LowRank(left, change)
        factors[names[role]] = factors[names[role]] + factor if names[role] in factors else factor
    kept = torch.float64 if model.dtype == torch.float64 else torch.float32
    return Delta(factors).to(kept)


def _bias(model: EditableModel, layer: int, role: str) -> Tensor:
    """(d_ff,) the biases of a role's neurons, zero where the matrix has none."""
    bias = getattr(model.module(model.names(layer)[role]), "bias", None)
    zero = torch.zeros(model.inner, dtype=torch.float64, device=model.device)
    return zero if bias is None else bias.double()[model.layout.rows(role, model.inner)]
