"""Token rows of unequal lengths to one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_left(rows: Sequence[Sequence[int]], value: int = 0) -> tuple[Tensor, Tensor]:
    """Token rows to (ids, mask), both (B, T), padded on the left: every row ends at the same place."""
    width = max((len(row) for row in rows), default=0)
    ids = torch.full((len(rows), width), value, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        if row:
            ids[b, width - len(row) :] = torch.tensor(row, dtype=torch.long)
            mask[b, width - len(row) :] = 1
    return ids, mask


def pad_right(rows: Sequence[Sequence[int]], value: int = 0) -> tuple[Tensor, Tensor]:
    """Token rows to (ids, mask), both (B, T), padded on the right: every row starts at the same place."""
    ids, mask = pad_left([list(reversed(row)) for row in rows], value)
    return ids.flip(1), mask.flip(1)
