"""A monogram that nothing compiled, for the store: a small random delta and a receipt."""

from dataclasses import dataclass, field
from typing import Any

import torch

from monogram.delta import Delta, LowRank

BASE = "b" * 64


@dataclass(frozen=True)
class Figures:
    recall: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        return {"recall": self.recall}


@dataclass(frozen=True)
class Made:
    delta: Delta
    base_digest: str = BASE
    editor: str = "neuron"
    settings: str = "s" * 64
    receipt: Figures | None = field(default_factory=Figures)


def made(seed: int = 0, rank: int = 1, **changes: Any) -> Made:
    rng = torch.Generator().manual_seed(seed)
    factor = LowRank(torch.randn(8, rank, generator=rng), torch.randn(rank, 12, generator=rng))
    return Made(Delta({"model.layers.1.mlp.down_proj": factor} if rank else {}), **changes)
