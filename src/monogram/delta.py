"""Delta: a low-rank change of a model's weights, and its home on disk, a plain PEFT LoRA folder.

    {module name: LowRank}        orientation is (d_out, d_in), however the model stores its weight

Everything that edits makes a Delta, everything that attaches, merges, serves or exports takes one. Its files
are `peft_folder`'s work; what is checked here is that they belong to the base model and add up to the delta
that was saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch

from monogram import peft_folder
from monogram.errors import AdapterFileError, BaseMismatchError, InputError
from monogram.lowrank import LowRank
from monogram.seal import Seal

__all__ = ["Delta", "LowRank", "load_adapter", "save_adapter"]


@dataclass(frozen=True, eq=False)
class Delta:
    """A change of weights: what is added to the matrix of each named module. Ordered by name, immutable."""

    factors: Mapping[str, LowRank] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", MappingProxyType(dict(sorted(self.factors.items()))))

    @classmethod
    def zero(cls) -> Delta:
        """The change that changes nothing."""
        return cls({})

    @property
    def rank(self) -> int:
        """The largest rank over the modules; 0 for none."""
        return max((f.rank for f in self.factors.values()), default=0)

    @property
    def nbytes(self) -> int:
        """Bytes of all factors."""
        return sum(f.nbytes for f in self.factors.values())

    @property
    def digest(self) -> str:
        """sha256 of names, shapes, types and bytes: the same delta to the bit, the same digest."""
        total = hashlib.sha256()
        for name, factor in self.factors.items():
            for side in (factor.left, factor.right):
                total.update(f"{name} {side.dtype} {tuple(side.shape)}\n".encode())
                total.update(side.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return total.hexdigest()

    def norm(self) -> float:
        """Frobenius norm over all modules together."""
        return float(sum(f.norm() ** 2 for f in self.factors.values()) ** 0.5)

    def __add__(self, other: Delta) -> Delta:
        mine, theirs = self.factors, other.factors
        both = {name: mine[name] + theirs[name] for name in mine if name in theirs}
        return Delta({**mine, **theirs, **both})

    def __mul__(self, scale: float) -> Delta:
        return Delta({name: f * scale for name, f in self.factors.items()})

    __rmul__ = __mul__

    def __neg__(self) -> Delta:
        return self * -1.0

    def __sub__(self, other: Delta) -> Delta:
        return self + -other

    def __eq__(self, other: object) -> bool:
        """Whether all factors are the same to the bit (not: whether the matrices they stand for are near)."""
        return dict(self.factors) == dict(other.factors) if isinstance(other, Delta) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.factors.items()))

    def allclose(self, other: Delta, *, rtol: float = 1e-6, atol: float = 1e-12) -> bool:
        """Whether the matrices are near: ‖self - other‖ <= atol + rtol·‖other‖."""
        return (self - other).norm() <= atol + rtol * other.norm()

    def compress(self, rank: int | None = None, tol: float = 0.0) -> Delta:
        """Each factor compressed (`LowRank.compress`); modules of which nothing is left are dropped."""
        small = {name: f.compress(rank, tol) for name, f in self.factors.items()}
        return Delta({name: f for name, f in small.items() if f.rank})

    def cut(self, rank: int) -> tuple[Delta, float]:
        """The nearest delta of at most this rank in each matrix, and the share of its norm that is lost: 0 to
        1, 0.0 where nothing had to be cut (the delta is then itself, to the bit).

        Raises:
            InputError: a rank below 1.
        """
        if rank < 1:
            raise InputError(f"A delta cannot be cut to rank {rank}; 1 is the least.")
        if self.rank <= rank:
            return self, 0.0
        small = Delta({name: f if f.rank <= rank else f.compress(rank) for name, f in self.factors.items()})
        whole = self.norm()
        return small, (self - small).norm() / whole if whole else 0.0

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Delta:
        """All factors in another type, on another device."""
        return Delta({name: f.to(dtype, device) for name, f in self.factors.items()})


def save_adapter(
    delta: Delta,
    folder: Path | str,
    *,
    base_name: str,
    base_digest: str,
    fan_in_fan_out: bool = False,
    metadata: Mapping[str, str] | None = None,
    seal: Seal | None = None,
) -> None:
    """Write a PEFT LoRA folder. It appears whole or not at all; an adapter that was there is replaced.

    Args:
        delta: what to save; ranks are padded with zeros to the largest.
        folder: where. It may be an adapter's folder, empty, or not there yet.
        base_name: name or path of the base model, for PEFT.
        base_digest: digest of the base model's weights, checked when the adapter is loaded.
        fan_in_fan_out: the edited matrices are `Conv1D` (GPT-2).
        metadata: kept in monogram.json.
        seal: seals the weights; PEFT cannot read them then.

    Raises:
        AdapterFileError: the folder holds something else, or cannot be written.
        DiskFullError: no room; nothing is left behind.
    """
    record = {"base_digest": base_digest, "delta_digest": delta.digest, "metadata": dict(metadata or {})}
    peft_folder.write(
        Path(folder),
        delta.factors,
        base_name=base_name,
        fan_in_fan_out=fan_in_fan_out,
        record=record,
        seal=seal,
    )


def load_adapter(folder: Path | str, *, base_digest: str | None = None, seal: Seal | None = None) -> Delta:
    """Read a PEFT LoRA folder, ours or anybody's. What `save_adapter` wrote comes back equal to the bit.

    Args:
        folder: an adapter's folder. Without monogram.json (not made by us) there is no digest to check, and
            lora_B is scaled by PEFT's own factor.
        base_digest: digest of the model that it is meant for; not checked if None.
        seal: opens weights that are sealed.

    Raises:
        AdapterFileError: missing, truncated or changed files, or a kind of adapter that is no plain LoRA.
        BaseMismatchError: made for another base model.
    """
    found = peft_folder.read(Path(folder), seal=seal)
    delta = Delta(found.factors)
    if found.record is None:
        return delta
    made_for = str(found.record.get("base_digest"))
    if base_digest is not None and made_for != base_digest:
        raise BaseMismatchError(
            f"The adapter in {folder} was made for another base model: '{found.base_name}' with digest "
            f"{made_for[:12]}, this one's is {base_digest[:12]}. Load that model, or compile for this one."
        )
    if delta.digest != found.record.get("delta_digest"):
        raise AdapterFileError(
            f"The files in {folder} don't belong together: the delta's digest differs. Export it again."
        )
    return delta
