"""Spread a value over several layers: what MEMIT and AlphaEdit share (arXiv 2210.07229, algorithm 1).

A fact's value is found at the last of the layers: the block's output `z` there, at the subject. Then layer by
layer, from the lowest, on the model as changed so far: a part of what is still missing is written,

    R_l = (z − z_now) / (layers left)

by the editor's own equation, with the keys that this layer sees now. Where a model norms the MLP's output
(Gemma, OLMo 2), the residual stands before that norm, and what is missing of `z` cannot be written as it is:
there the residual itself is spread, as much of it as is missing of its effect.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from monogram.delta import Delta, LowRank
from monogram.editors.at_subject import AtSubject, SubjectConfig
from monogram.editors.base import chosen_layer
from monogram.editors.by_fact import Part, Write
from monogram.editors.essence import averaged
from monogram.editors.facts import Fact
from monogram.editors.keys import read_at
from monogram.models.attach import attach
from monogram.models.editable import EditableModel


@dataclass(frozen=True)
class SpreadConfig(SubjectConfig):
    """Which layers."""

    layers: tuple[int | float, ...] = (4 / 31, 5 / 31, 6 / 31, 7 / 31, 8 / 31)
    """0-based, or fractions of the depth: the published layers 4 to 8 of 0 to 31."""


Config = TypeVar("Config", bound=SpreadConfig)
Solver = Callable[[Tensor, Tensor], LowRank]
"""A layer's equation: keys K (d_in, n) and residuals R_l (d_out, n) -> Δ."""


class Spread(AtSubject[Config]):
    """An editor of several layers."""

    def layers(self, model: EditableModel) -> list[int]:
        """Those of the configuration, each once: fractions of few layers may meet."""
        return sorted({chosen_layer(model, wanted) for wanted in self.config.layers})

    def reach(self, model: EditableModel, layer: int, fact: Fact) -> float | None:
        """The length of z, where the residual is a part of it."""
        if "post_norm" in model.names(layer):
            return None
        return float(averaged(model, layer, [fact], role="block")[0].norm())

    def writer(self, model: EditableModel) -> Write:
        """Batch by batch, each spread over all layers on the model as it is by then."""
        layers = self.layers(model)
        solvers = [self.solver(model, layer) for layer in layers]

        def write(parts: Sequence[Part], so_far: Delta) -> Delta:
            total = Delta.zero()
            for batch in self.batches(parts):
                total += spread(model, layers, solvers, batch, so_far + total)
            return total

        return write

    def batches(self, parts: Sequence[Part]) -> Iterable[Sequence[Part]]:
        """Which facts are solved for together: all."""
        return [parts]

    @abstractmethod
    def solver(self, model: EditableModel, layer: int) -> Solver:
        """A layer's equation, for the length of an edit."""


def spread(
    model: EditableModel,
    layers: Sequence[int],
    solvers: Sequence[Solver],
    parts: Sequence[Part],
    so_far: Delta,
) -> Delta:
    """What comes to the model, which has `so_far` on it already; float64, each layer rounded once."""
    facts, residuals = [p.fact for p in parts], torch.stack([p.found["residual"] for p in parts])
    dtype = torch.promote_types(model.dtype, torch.float32)
    with attach(model, so_far):
        start = averaged(model, layers[-1], facts, role="block").cpu()  # (n, width)
        effect = _effect(model, layers[-1], facts, residuals)
    made, now = Delta.zero(), start
    for turn, (layer, solver) in enumerate(zip(layers, solvers, strict=True)):
        with attach(model, so_far + made):
            keys = averaged(model, layer, facts, role="key")
            now = averaged(model, layers[-1], facts, role="block").cpu() if turn else start
        missing = start + effect - now
        if "post_norm" in model.names(layer):
            whole = effect.pow(2).sum(1, keepdim=True).clamp(min=torch.finfo(effect.dtype).tiny)
            missing = (missing * effect).sum(1, keepdim=True) / whole * residuals
        factor = solver(keys.T, missing.T / (len(layers) - turn))
        made += Delta({model.names(layer)["down"]: factor.to(dtype)})
    return made


def _effect(model: EditableModel, layer: int, facts: Sequence[Fact], residuals: Tensor) -> Tensor:
    """(n, width) what residuals at a layer's MLP do to the block's output: themselves, but for a norm."""
    norm = model.names(layer).get("post_norm")
    if norm is None:
        return residuals
    effects = []
    for fact, residual in zip(facts, residuals, strict=True):
        written = read_at(model, layer, fact.rows, fact.places, role="written")
        moved = written + residual.to(written.device, written.dtype)
        with torch.no_grad():
            change = model.module(norm)(moved).double() - model.module(norm)(written).double()
        effects.append(change.mean(0).cpu())
    return torch.stack(effects)
