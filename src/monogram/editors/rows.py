"""The neuron's rows: what was found, put together, and how far that fires (docs/methods.md §2).

Threshold and sharpness are put in here, so that a gentler try finds nothing anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from monogram.editors.kept import Tensors
from monogram.editors.overwrite import Stitch
from monogram.models.editable import EditableModel


@dataclass(frozen=True)
class Rows:
    """How the rows of a model's neurons are put together.

    Args:
        threshold, sharpness: of `NeuronConfig`.
    """

    model: EditableModel
    threshold: float
    sharpness: float

    def of(self, found: Tensors) -> tuple[Tensor, Tensor]:
        """The neuron's two rows (d,): what the gate reads, and what the up matrix does."""
        detector, start, steady = (
            found[name].to(self.model.device) for name in ("detector", "start", "steady")
        )
        return self.sharpness * (detector + self.threshold * steady), start / self.sharpness

    def stitch(self, found: Tensors) -> Stitch:
        """All that one preference needs."""
        residual = found["residual"].to(self.model.device)
        return Stitch(
            *self.of(found),
            found["steady"].to(self.model.device),
            residual if self.model.layout.gated else residual / self.sharpness,
            tuple(found["losses"].tolist()),
        )

    def fired(self, neurons: Sequence[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
        """(n, neurons) how far each, by its two rows, fires at x (n, d): the product of what both read."""
        read = x.double()
        none = read.new_zeros(len(read), 0)
        intents = torch.stack([read @ gate for gate, _ in neurons], 1) if neurons else none
        if not self.model.layout.gated:
            return intents / self.sharpness
        starts = torch.stack([read @ up for _, up in neurons], 1) if neurons else none
        return intents.clamp(min=0) * starts
