"""`memit`: many facts at once, over several layers, at the last token of the subject.

MEMIT (arXiv 2210.07229, eq. 14 and algorithm 1): `spread.py` spreads the values, and each layer writes its
part by ridge regression against ordinary text:

    Δ_l = R_l Kᵀ (λC + K Kᵀ)⁻¹

which is EMMET's with ε = λ (`solve.tied`). One rank in each layer for each fact. Values are found as if
alone, on the base model, so a change of the set finds new ones only; the solve is done again for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from monogram.editors.base import Trials
from monogram.editors.solve import Base, base, tied
from monogram.editors.spread import Solver, Spread, SpreadConfig
from monogram.models.editable import EditableModel
from monogram.models.moments import moments


@dataclass(frozen=True)
class MemitConfig(SpreadConfig):
    """Settings of `memit`; the defaults are the published ones for models of 7-8B."""

    lam: float = 15_000.0
    """λ: weight of ordinary text, by its second moments."""


class Memit(Spread[MemitConfig]):
    """The ridge regression of all facts, layer by layer."""

    name: ClassVar[str] = "memit"
    settings: ClassVar[type[MemitConfig]] = MemitConfig
    presets: ClassVar[Mapping[str, MemitConfig]] = {"paper": MemitConfig()}
    trials: ClassVar[Trials] = {
        "position": ("answer",),
        "layers": ((0.3, 0.35, 0.4), (0.5, 0.55, 0.6)),
        "lam": (1000.0, 100.0),
        "clamp": (2.0, 8.0),
        "steps": (50,),
    }

    def grounded(self, model: EditableModel, layer: int) -> Base:
        """C."""
        return base(moments(model, layer).second)

    def solver(self, model: EditableModel, layer: int) -> Solver:
        """The equation with this layer's C."""
        ground = self.ground(model, layer)
        return lambda keys, residuals: tied(ground, keys, residuals, self.config.lam)
