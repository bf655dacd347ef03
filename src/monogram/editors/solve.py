"""The joint closed form (docs/methods.md §3): one linear gate for each preference, all of a person's at once.

    min_Δ  Σ_p mean_j ‖Δ k_pj − r_p‖²  +  λ tr(Δ C Δᵀ)  +  μ Σ_p mean_c ‖Δ k_pc‖²  +  ν mean_u ‖Δ k_u‖²

    Δ = R Aᵀ,   A = (B + X Xᵀ)⁻¹ Y,   B = λC + ν mean(k_u k_uᵀ) + ρ·mean(diag)·I

Every sum is a mean over its own keys, so λ, μ and ν say the same for clusters of any size; and preferences
whose keys don't meet are solved as if alone, so they say the same for any number of preferences. Columns of
X are the wanted and the contrast keys, each divided by the root of how many there are; column p of Y is the
mean key of preference p, and its gate is `a_pᵀ k`. The ridge and the terms beside it shrink gates below 1:
each `a_p` is scaled until its gate is 1 on its mean training key.

B belongs to a model and a layer alone, and is factored once (`Base`). The form is kin to MEMIT's (arXiv
2210.07229, eq. 14). Everything is float64 on one thread of the CPU, so that a result is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from monogram.errors import InputError
from monogram.lowrank import LowRank
from monogram.models.build import threads

RIDGE = 1e-6
"""ρ, in parts of the mean of the diagonal: enough for a Cholesky factor where the moments are of low rank."""


@dataclass(frozen=True)
class Wish:
    """What one preference asks of the matrix.

    Args:
        digest: of the preference; fixes the order of columns.
        keys: (n, d_in), n >= 1, where the residual is wanted.
        residual: (d_out,), what is added to the matrix's output there.
        contrast: (m, d_in), where nothing is to be added; m may be 0.
    """

    digest: str
    keys: Tensor
    residual: Tensor
    contrast: Tensor


@dataclass(frozen=True)
class Base:
    """What an edit must leave alone, for a model and a layer: B and its Cholesky factor.

    Args:
        matrix: B (d_in, d_in), float64, symmetric, positive definite.
        lower: L with L Lᵀ = B.
    """

    matrix: Tensor
    lower: Tensor


def base(
    second: Tensor,
    unrelated: Tensor | None = None,
    *,
    lam: float = 1.0,
    nu: float = 0.0,
    ridge: float = RIDGE,
) -> Base:
    """B = λC + ν mean(k_u k_uᵀ) + ρ·mean(diag)·I, factored once.

    Args:
        second: C (d_in, d_in), the second moment of keys over ordinary text.
        unrelated: (U, d_in) keys of prompts that have nothing to do with the person, or None.
        lam, nu: weights λ and ν, >= 0.
        ridge: ρ, > 0.

    Raises:
        InputError: shapes that don't fit, negative weights, or nothing left to factor.
    """
    d = second.shape[0]
    if second.shape != (d, d) or (unrelated is not None and unrelated.shape[1:] != (d,)):
        theirs = "none" if unrelated is None else str(tuple(unrelated.shape))
        raise InputError(
            f"Moments {tuple(second.shape)} and unrelated keys {theirs} don't fit: (d, d) and (U, d) needed."
        )
    if min(lam, nu) < 0 or ridge <= 0:
        raise InputError(f"Weights λ={lam} and ν={nu} must be 0 or more, and the ridge {ridge} more than 0.")
    with threads(1):
        matrix = lam * exact(second)
        if unrelated is not None and len(unrelated) and nu:
            u = exact(unrelated)
            matrix = matrix + (nu / len(u)) * (u.T @ u)
        matrix = (matrix + matrix.T) / 2
        scale = float(matrix.diagonal().mean())
        if not 0 < scale < float("inf"):
            raise InputError(
                f"The moments and unrelated keys have a mean diagonal of {scale}; nothing can be solved with "
                "them. Take the moments again, or give λ or ν more than 0."
            )
        matrix.diagonal().add_(ridge * scale)
        return Base(matrix, torch.linalg.cholesky(matrix))


def solve(
    base: Base,
    wishes: Sequence[Wish],
    *,
    shared: Sequence[Tensor] = (),
    mu: float = 1.0,
    woodbury: bool | None = None,
) -> LowRank:
    """Δ = R Aᵀ for a person's wishes: left (d_out, P) residuals, right (P, d_in) gates.

    Args:
        base: of the model and layer.
        wishes: one per preference, at least one, digests all different.
        shared: groups (s, d_in) of contrast keys of the person as a whole, each a mean of its own.
        mu: weight μ of contrast keys, >= 0.
        woodbury: whether the person's keys come in through Woodbury's identity; by default while there are
            fewer of them than d_in, and by a fresh factor of B + X Xᵀ otherwise.

    Returns:
        float64, columns in the order of digests, each gate scaled to a mean of 1 on its training keys.

    Raises:
        InputError: no keys, keys of another width, keys that are zero or not finite, or a digest twice.
    """
    d = base.matrix.shape[0]
    ordered = _ordered(wishes)
    for wish in ordered:
        if not len(wish.keys) or wish.keys.shape[1] != d or wish.contrast.shape[1:] != (d,):
            raise InputError(
                f"Keys {tuple(wish.keys.shape)} and contrast keys {tuple(wish.contrast.shape)} of preference "
                f"{wish.digest[:12]} don't fit moments of width {d}: (n >= 1, {d}) and (m, {d}) needed."
            )
        if not bool(wish.keys.isfinite().all() and wish.contrast.isfinite().all()):
            raise InputError(f"Keys of preference {wish.digest[:12]} are not finite. Read them in float32.")
    if mu < 0:
        raise InputError(f"The weight of contrast keys μ={mu} must be 0 or more.")
    with threads(1):
        wanted = [exact(w.keys) for w in ordered]
        columns = [k / len(k) ** 0.5 for k in wanted]
        if mu:
            beside = [*(w.contrast for w in ordered), *shared]
            columns += [exact(k) * (mu / len(k)) ** 0.5 for k in beside if len(k)]
        x = torch.cat(columns).T  # (d_in, n)
        y = torch.stack([k.mean(0) for k in wanted], 1)  # (d_in, P)
        if woodbury if woodbury is not None else x.shape[1] < d:
            a = _woodbury(base.lower, x, y)
        else:
            a = torch.cholesky_solve(y, torch.linalg.cholesky(base.matrix + x @ x.T))
        reached = (y * a).sum(0)
    if not bool((reached > 0).all()):
        silent = ", ".join(w.digest[:12] for w, g in zip(ordered, reached.tolist(), strict=True) if not g > 0)
        raise InputError(f"No gate can be found for preference {silent}: the mean of its keys is zero.")
    residuals = torch.stack([exact(w.residual) for w in ordered], 1)
    return LowRank(residuals, (a / reached).T.contiguous())


def tied(base: Base, keys: Tensor, residuals: Tensor, slack: float) -> LowRank:
    """Δ = R (Kᵀ B⁻¹ K + εI)⁻¹ Kᵀ B⁻¹, float64: of least tr(Δ B Δᵀ) where, but for ε, `Δ k_i = r_i`.

    By the push-through identity it is also R Kᵀ (εB + K Kᵀ)⁻¹, ridge regression of weight ε.

    Args:
        base: B and its factor.
        keys: K (d_in, n); residuals: R (d_out, n).
        slack: ε, >= 0, in units of Kᵀ B⁻¹ K: where B is C, a key of ordinary length has about d_in.
    """
    with threads(1):
        k = exact(keys)
        weighed = torch.cholesky_solve(k, base.lower)
        inner = k.T @ weighed
        inner.diagonal().add_(slack)
        return LowRank(exact(residuals), torch.linalg.solve(inner, weighed.T))


def _ordered(wishes: Sequence[Wish]) -> list[Wish]:
    """By digest, so that a solution depends on the set of preferences alone."""
    if not wishes:
        raise InputError("There is nothing to solve: give at least one preference.")
    ordered = sorted(wishes, key=lambda wish: wish.digest)
    for one, other in pairwise(ordered):
        if one.digest == other.digest:
            raise InputError(f"Preference {one.digest[:12]} is there twice; give each preference once.")
    return ordered


def _woodbury(lower: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(L Lᵀ + X Xᵀ)⁻¹ Y through an n x n system: V = L⁻¹X, Q = L⁻¹Y, L⁻ᵀ(Q − V (I + VᵀV)⁻¹ VᵀQ)."""
    v = torch.linalg.solve_triangular(lower, x, upper=False)
    q = torch.linalg.solve_triangular(lower, y, upper=False)
    inner = v.T @ v
    inner.diagonal().add_(1.0)
    q = q - v @ torch.cholesky_solve(v.T @ q, torch.linalg.cholesky(inner))
    found: Tensor = torch.linalg.solve_triangular(lower.T, q, upper=True)
    return found


def exact(tensor: Tensor) -> Tensor:
    """As float64 on the CPU, where everything is solved."""
    return tensor.detach().to("cpu", torch.float64)
