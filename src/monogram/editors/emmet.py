"""`emmet`: facts as equalities, all of them at once, in one matrix.

EMMET (arXiv 2403.14236, eq. 12) is ROME for many facts: the change of least reach on ordinary text, tr(Δ C
Δᵀ), under the constraints `Δ k_i = r_i`:

    Δ = R (Kᵀ C⁻¹ K + εI)⁻¹ Kᵀ C⁻¹

ε keeps the small matrix invertible where keys are alike; the constraints are then met but for ε. One fact and
ε = 0 is ROME's eq. 2. One rank for each fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from monogram.delta import Delta
from monogram.editors.at_subject import AtSubject, SubjectConfig
from monogram.editors.base import Trials, chosen_layer
from monogram.editors.by_fact import Part, Write
from monogram.editors.solve import Base, base, tied
from monogram.models.editable import EditableModel
from monogram.models.moments import moments


@dataclass(frozen=True)
class EmmetConfig(SubjectConfig):
    """Settings of `emmet`; the defaults are the published ones for models of 7-8B."""

    layer: int | float = 5 / 31
    """l, 0-based, or a fraction of the depth: the published layer 5 of 0 to 31."""
    epsilon: float = 0.1
    """ε, as in the authors' code."""


class Emmet(AtSubject[EmmetConfig]):
    """The equality-constrained edit of all facts together."""

    name: ClassVar[str] = "emmet"
    settings: ClassVar[type[EmmetConfig]] = EmmetConfig
    presets: ClassVar[Mapping[str, EmmetConfig]] = {"paper": EmmetConfig()}
    trials: ClassVar[Trials] = {
        "position": ("answer",),
        "layer": (0.3, 0.5, 0.7),
        "clamp": (2.0, 8.0),
        "steps": (50,),
        "epsilon": (0.01, 1.0),
    }

    def layers(self, model: EditableModel) -> list[int]:
        """The one of the configuration."""
        return [chosen_layer(model, self.config.layer)]

    def grounded(self, model: EditableModel, layer: int) -> Base:
        """C."""
        return base(moments(model, layer).second)

    def writer(self, model: EditableModel) -> Write:
        """One solve for all facts."""
        (layer,) = self.layers(model)
        name, dtype = model.names(layer)["down"], torch.promote_types(model.dtype, torch.float32)
        ground = self.ground(model, layer)

        def write(parts: Sequence[Part], _so_far: Delta) -> Delta:
            keys, residuals = (
                torch.stack([part.found[of] for part in parts], 1) for of in ("key", "residual")
            )
            return Delta({name: tied(ground, keys, residuals, self.config.epsilon).to(dtype)})

        return write
