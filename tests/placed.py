"""What a tail scores, each at its label's place."""

from __future__ import annotations

from torch import Tensor

from monogram.models.plain import Plain
from monogram.models.tail import Tail


def placed(way: Tail | Plain, residual: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
    """(B, T, vocabulary) logits with the residual, times (B,) gates; zero where there is no label."""
    if residual is not None and gates is not None:
        residual = gates[:, None] * residual
    scored = way.scored(residual)
    return scored.new_zeros(*way.labels.shape, scored.shape[-1]).index_put((way.labels != -100,), scored)
