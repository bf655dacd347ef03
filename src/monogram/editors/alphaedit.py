"""`alphaedit`: MEMIT's layers, written only where ordinary text has nothing.

AlphaEdit (arXiv 2410.02355, eq. 12): `P` projects on the null space of C, the directions whose singular value
is below a threshold. With `K_p` the keys of earlier edits, which must stay as they are,

    Δᵀ = [P (K Kᵀ + K_p K_pᵀ) + L₂ I]⁻¹ P K Rᵀ

so `Δ K_0 = 0` for keys of ordinary text. A person's preferences are edited one after the other, in the order
of their digests, each with the keys of those before as its K_p: all of it inside one edit, so nothing of
somebody forgotten is left. Values are found on the base model, as if alone (the authors find them on the
model as edited so far: that is `sequential`), so a change of the set finds new ones only and solves again for
all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import torch
from torch import Tensor

from monogram.delta import LowRank
from monogram.editors.base import Trials
from monogram.editors.by_fact import Part
from monogram.editors.solve import exact
from monogram.editors.spread import Solver, Spread, SpreadConfig
from monogram.errors import InputError
from monogram.models.build import threads
from monogram.models.editable import EditableModel
from monogram.models.moments import moments


@dataclass(frozen=True)
class AlphaEditConfig(SpreadConfig):
    """Settings of `alphaedit`; the defaults are the authors' for Llama 3 8B."""

    lr: float = 0.1
    weight_decay: float = 0.5
    clamp: float = 0.75
    threshold: float = 2e-2
    """Directions of C with a singular value below it are free to be written in."""
    ridge: float = 10.0
    """L₂: weight of ‖Δ‖²."""


class AlphaEdit(Spread[AlphaEditConfig]):
    """The null-space edit, preference by preference."""

    name: ClassVar[str] = "alphaedit"
    settings: ClassVar[type[AlphaEditConfig]] = AlphaEditConfig
    presets: ClassVar[Mapping[str, AlphaEditConfig]] = {"paper": AlphaEditConfig()}
    trials: ClassVar[Trials] = {
        "position": ("answer",),
        "clamp": (2.0, 4.0),
        "weight_decay": (1e-3,),
        "lr": (0.5,),
        "layers": ((0.3, 0.35, 0.4), (0.5, 0.55, 0.6)),
        "ridge": (1.0,),
    }

    def batches(self, parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
        """The facts of each preference, as they come."""
        return (list(same) for _, same in groupby(parts, key=lambda part: part.digest))

    def grounded(self, model: EditableModel, layer: int) -> Tensor:
        """The directions that are free.

        Raises:
            InputError: none is.
        """
        free = null_space(moments(model, layer).second, self.config.threshold)
        if not free.shape[1]:
            raise InputError(
                f"Every direction of layer {layer} of model '{model.name}' has a singular value of "
                f"{self.config.threshold} or more, so alphaedit has nowhere to write. Raise its `threshold`."
            )
        return free

    def solver(self, model: EditableModel, layer: int) -> Solver:
        """The equation, which remembers the keys that it was given: they are the next one's K_p."""
        free = self.ground(model, layer)
        earlier = [torch.zeros(model.inner, 0, dtype=torch.float64)]

        def solve(keys: Tensor, residuals: Tensor) -> LowRank:
            found = projected(free, keys, residuals, torch.cat(earlier, 1), self.config.ridge)
            earlier.append(exact(keys))
            return found

        return solve


def null_space(second: Tensor, threshold: float) -> Tensor:
    """(d_in, m) float64, orthonormal: the directions of C whose singular value is below `threshold`."""
    with threads(1):
        values, directions = torch.linalg.eigh(exact(second))
        free: Tensor = directions[:, values < threshold].contiguous()
        return free


def projected(free: Tensor, keys: Tensor, residuals: Tensor, earlier: Tensor, ridge: float) -> LowRank:
    """Δ of the equation above, float64, through a small system: with X = [K K_p] and PX = F Fᵀ X,

        [P X Xᵀ + L₂ I]⁻¹ P K = (P K − P X (L₂ I + (PX)ᵀ PX)⁻¹ (PX)ᵀ P K) / L₂

    Args:
        free: F (d_in, m), `null_space`.
        keys: K (d_in, n); residuals: R (d_out, n).
        earlier: K_p (d_in, e), e may be 0.
        ridge: L₂, > 0.
    """
    with threads(1):
        k, kp = exact(keys), exact(earlier)
        seen = free @ (free.T @ torch.cat([k, kp], 1))
        wanted = seen[:, : k.shape[1]]
        inner = seen.T @ seen
        inner.diagonal().add_(ridge)
        found = (wanted - seen @ torch.linalg.solve(inner, seen.T @ wanted)) / ridge
        return LowRank(exact(residuals), found.T.contiguous())
