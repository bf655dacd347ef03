"""LowRank: a matrix kept as a product of two thin ones, with exact algebra.

    value = left @ right        left (d_out, r), right (r, d_in)

Sums put factors side by side, so ranks add; `compress` brings the rank down again and says what that costs.
Algebra that needs orthogonal factors runs in float64, whatever the factors' type.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from monogram.errors import InputError


@dataclass(frozen=True, eq=False)
class LowRank:
    """A (d_out, d_in) matrix of rank at most r.

    Args:
        left: (d_out, r).
        right: (r, d_in), same type and device.

    Raises:
        InputError: the factors don't fit each other.
    """

    left: Tensor
    right: Tensor

    def __post_init__(self) -> None:
        a, b = self.left, self.right
        if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0]:
            raise InputError(
                f"Factors of shapes {tuple(a.shape)} and {tuple(b.shape)} make no matrix: "
                "(d_out, r) and (r, d_in) are needed."
            )
        if a.dtype != b.dtype or not a.dtype.is_floating_point:
            raise InputError(f"Factors are {a.dtype} and {b.dtype}; one floating-point type is needed.")

    @property
    def rank(self) -> int:
        """How many columns `left` has; an upper bound of the matrix's rank."""
        return int(self.left.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        return int(self.left.shape[0]), int(self.right.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """Type of both factors."""
        return self.left.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of both factors."""
        return int(self.left.nbytes + self.right.nbytes)

    def dense(self) -> Tensor:
        """The whole matrix (d_out, d_in), multiplied out in the factors' type."""
        return self.left @ self.right

    def __add__(self, other: LowRank) -> LowRank:
        if self.shape != other.shape:
            raise InputError(f"Matrices of shapes {self.shape} and {other.shape} cannot be added.")
        dtype = torch.promote_types(self.dtype, other.dtype)
        a, b = self.to(dtype), other.to(dtype)
        return LowRank(torch.cat([a.left, b.left], 1), torch.cat([a.right, b.right], 0))

    def __sub__(self, other: LowRank) -> LowRank:
        return self + other * -1.0

    def __mul__(self, scale: float) -> LowRank:
        return LowRank(self.left * scale, self.right)

    __rmul__ = __mul__

    def __neg__(self) -> LowRank:
        return self * -1.0

    def __eq__(self, other: object) -> bool:
        """Whether both factors are the same to the bit, type included."""
        if not isinstance(other, LowRank):
            return NotImplemented
        same = self.dtype == other.dtype and self.shape == other.shape and self.rank == other.rank
        return same and torch.equal(self.left, other.left) and torch.equal(self.right, other.right)

    def __hash__(self) -> int:
        return hash((self.shape, self.rank, self.dtype))

    def _core(self) -> tuple[Tensor, Tensor, Tensor]:
        """Orthonormal Q_left and Q_right, and the core: value = Q_left core Q_rightᵀ, in float64."""
        q_left, r_left = torch.linalg.qr(self.left.double())
        q_right, r_right = torch.linalg.qr(self.right.double().T)
        return q_left, r_left @ r_right.T, q_right

    def norm(self) -> float:
        """Frobenius norm, from the small core: the matrix is never multiplied out."""
        return float(torch.linalg.matrix_norm(self._core()[1])) if self.rank else 0.0

    def compress(self, rank: int | None = None, tol: float = 0.0) -> LowRank:
        """The nearest matrix of lower rank (Eckart-Young), by QR and SVD of the small core.

        The Frobenius norm of the error is the root of the sum of squares of the singular values that are
        dropped.

        Args:
            rank: keep at most so many singular values.
            tol: drop singular values up to `tol` times the largest, in [0, 1]. Those that are only rounding
                (of the factors' products, in float64) are always dropped.

        Raises:
            InputError: a negative rank, or a tol outside [0, 1].
        """
        if (rank is not None and rank < 0) or not 0.0 <= tol <= 1.0:
            raise InputError(
                f"Cannot compress to rank {rank} with tol {tol}: rank >= 0, tol in [0, 1] needed."
            )
        if not self.rank:
            return self
        q_left, core, q_right = self._core()
        u, s, vt = torch.linalg.svd(core, full_matrices=False)
        a, b = (float(torch.linalg.matrix_norm(side.double())) for side in (self.left, self.right))
        floor = max(*self.shape, self.rank) * torch.finfo(torch.float64).eps * a * b
        keep = int((s > max(floor, tol * float(s[0]))).sum())
        keep = keep if rank is None else min(keep, rank)
        root = s[:keep].sqrt()
        left, right = (q_left @ u[:, :keep]) * root, (vt[:keep] @ q_right.T) * root[:, None]
        return LowRank(left.to(self.dtype), right.to(self.dtype))

    def padded(self, rank: int) -> LowRank:
        """The same matrix with zero columns and rows up to `rank`."""
        more = rank - self.rank
        if more <= 0:
            return self
        return LowRank(
            torch.nn.functional.pad(self.left, (0, more)),
            torch.nn.functional.pad(self.right, (0, 0, 0, more)),
        )

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> LowRank:
        """Both factors in another type, on another device."""
        dtype = dtype or self.dtype
        return LowRank(self.left.to(device=device, dtype=dtype), self.right.to(device=device, dtype=dtype))
