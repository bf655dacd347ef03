"""Codebook: keys with a radius, and what a matrix puts out instead where one of them is near.

The patch that GRACE makes (arXiv 2211.11031). An entry fires at every position whose key is within its
radius, and nowhere else: there the matrix's output is the entry's value, elsewhere it is as it was, to the
bit. Radii hang on the set of entries alone (half-way to the nearest entry of somebody else, at most), so an
entry that is taken out leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from monogram.delta import Delta
from monogram.errors import InputError, unknown
from monogram.patch import Patch

EXACT = "donot_use_mm_for_euclid_dist"
"""By differences: the quick way by products loses the small distances."""


@dataclass(frozen=True, eq=False)
class Codebook(Patch):
    """Entries of one matrix.

    Args:
        name: of the matrix's module.
        keys: (n, d_in), float64; values: (n, d_out), float64.
        ids: whose entry each is, n of them; an id may have several.
        radius: ε, the longest radius, > 0.
    """

    name: str
    keys: Tensor
    values: Tensor
    ids: tuple[str, ...]
    radius: float

    @classmethod
    def empty(cls, name: str, inner: int, width: int, radius: float) -> Codebook:
        """One without entries."""
        keys, values = (torch.zeros(0, size, dtype=torch.float64) for size in (inner, width))
        return cls(name, keys, values, (), radius)

    @property
    def shapes(self) -> Mapping[str, tuple[int, int]]:
        """See `Patch`."""
        return {self.name: (self.values.shape[1], self.keys.shape[1])}

    @property
    def nbytes(self) -> int:
        """See `Patch`."""
        return int(self.keys.nbytes + self.values.nbytes)

    @property
    def digest(self) -> str:
        """See `Patch`."""
        total = hashlib.sha256(f"{self.name} {self.ids} {self.radius}".encode())
        for tensor in (self.keys, self.values):
            total.update(f"{tuple(tensor.shape)}".encode())
            total.update(tensor.cpu().contiguous().numpy().tobytes())
        return total.hexdigest()

    @cached_property
    def radii(self) -> Tensor:
        """(n,) each entry's radius: ε, or half-way to the nearest entry of another id."""
        if not self.ids:
            return self.keys.new_zeros(0)
        apart = torch.cdist(self.keys, self.keys, compute_mode=EXACT)
        own = torch.tensor([[a == b for b in self.ids] for a in self.ids], device=apart.device)
        return (apart.masked_fill(own, torch.inf).min(1).values / 2).clamp(max=self.radius)

    def __add__(self, other: Codebook) -> Codebook:
        """All entries of both, which must be of one matrix."""
        both = [torch.cat([getattr(self, part), getattr(other, part)]) for part in ("keys", "values")]
        return replace(self, keys=both[0], values=both[1], ids=self.ids + other.ids)

    def without(self, gone: str) -> Codebook:
        """The codebook without an id's entries: that of somebody who never had them, to the bit.

        Raises:
            UnknownNameError: it has none of that id.
        """
        if gone not in self.ids:
            raise unknown("entry", gone, self.ids)
        left = [n for n, one in enumerate(self.ids) if one != gone]
        ids = tuple(self.ids[n] for n in left)
        return replace(self, keys=self.keys[left], values=self.values[left], ids=ids)

    def changed(self, name: str, x: Tensor, out: Tensor) -> Tensor:
        """See `Patch`. The nearest entry counts, where it is within its radius."""
        del name
        if not self.ids:
            return out
        kind = torch.promote_types(x.dtype, torch.float32)
        keys, radii = self.keys.to(x.device, kind), self.radii.to(x.device, kind)
        apart = torch.cdist(x.to(kind).reshape(-1, x.shape[-1]), keys, compute_mode=EXACT)
        distance, nearest = apart.reshape(*x.shape[:-1], len(keys)).min(-1)
        fires = (distance <= radii[nearest]).unsqueeze(-1)
        return torch.where(fires, self.values.to(out.device, out.dtype)[nearest], out)

    def as_delta(self) -> Delta:
        """There is none.

        Raises:
            InputError: always.
        """
        raise InputError(
            "The edit is a codebook that is looked up by distance (grace), and no change of weights can "
            "stand for that: it cannot be kept for a person, nor exported as peft or merged. Measure it with "
            "`monogram bench`, or choose an editor that makes a delta: neuron, cluster, rome, memit, emmet, "
            "alphaedit."
        )
