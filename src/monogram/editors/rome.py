"""`rome` and `rome-sequential`: one fact, one rank, at the last token of the subject.

ROME (arXiv 2202.05262, eq. 2) writes a value `v*` at one key: `Δ = (v* − Wk)(C⁻¹k)ᵀ / (C⁻¹k)ᵀk`. The subject
of "What's my hobby?" is the attribute's own words. The key is averaged over contexts, and the averaged one
stands everywhere (r-ROME, arXiv 2403.07175: mixed with a single one, models collapse): `Δk = v* − Wk`.

`rome` edits by one question for each preference, on the base model. `rome-sequential` edits by one question
for each synonym, each on the model as edited so far: the personalization paper's recipe, with its C = I.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from monogram.delta import Delta, LowRank
from monogram.editors.at_subject import AtSubject, SubjectConfig
from monogram.editors.base import Trials, chosen_layer
from monogram.editors.by_fact import Part, Write
from monogram.editors.solve import Base, base
from monogram.models.editable import EditableModel
from monogram.models.moments import moments


@dataclass(frozen=True)
class RomeConfig(SubjectConfig):
    """Settings of both; the defaults are the published ones for models of 7-8B."""

    layer: int | float = 5 / 31
    """l, 0-based, or a fraction of the depth: the published layer 5 of 0 to 31."""
    covariance: Literal["identity", "moments"] = "identity"
    """C: I, as in the personalization paper, or the second moments of keys, as in ROME."""


@dataclass(frozen=True)
class RomeSequentialConfig(RomeConfig):
    """The same, but for one question after the other."""

    synonyms: int = 9
    sequential: bool = True


class Rome(AtSubject[RomeConfig]):
    """One rank-one edit for each fact, added up."""

    name: ClassVar[str] = "rome"
    settings: ClassVar[type[RomeConfig]] = RomeConfig
    presets: ClassVar[Mapping[str, RomeConfig]] = {"paper": RomeConfig()}
    trials: ClassVar[Trials] = {
        "position": ("answer",),
        "layer": (0.3, 0.5, 0.7),
        "clamp": (2.0, 8.0),
        "steps": (50,),
    }

    def layers(self, model: EditableModel) -> list[int]:
        """The one of the configuration."""
        return [chosen_layer(model, self.config.layer)]

    def grounded(self, model: EditableModel, layer: int) -> Base | None:
        """C; None is I."""
        return None if self.config.covariance == "identity" else base(moments(model, layer).second)

    def writer(self, model: EditableModel) -> Write:
        """Each fact's own rank."""
        (layer,) = self.layers(model)
        name, dtype = model.names(layer)["down"], torch.promote_types(model.dtype, torch.float32)
        ground = self.ground(model, layer)

        def write(parts: Sequence[Part], _so_far: Delta) -> Delta:
            total = Delta.zero()
            for part in parts:
                factor = rank_one(part.found["key"], part.found["residual"], ground)
                total += Delta({name: factor.to(dtype)})
            return total

        return write


class RomeSequential(Rome):
    """One rank-one edit for each synonym, each found on the model as edited so far."""

    name: ClassVar[str] = "rome-sequential"
    settings: ClassVar[type[RomeConfig]] = RomeSequentialConfig
    presets: ClassVar[Mapping[str, RomeConfig]] = {"paper": RomeSequentialConfig()}


def rank_one(key: Tensor, residual: Tensor, ground: Base | None = None) -> LowRank:
    """`r (C⁻¹k)ᵀ / (C⁻¹k)ᵀk`, float64, with C = I where there is no `ground`; it maps `key` to `residual`."""
    k, r = key.detach().cpu().double(), residual.detach().cpu().double()
    u = k if ground is None else torch.cholesky_solve(k[:, None], ground.lower)[:, 0]
    return LowRank(r[:, None], (u / (u @ k))[None])
