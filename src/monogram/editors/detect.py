"""Train a detector: a direction of the MLP's input that is 1 on an intent and below 0 everywhere else.

A neuron has no bias of its own in most models, so the detector's constant is carried by a direction `c`
with c·x = 1 wherever an answer starts. A second such direction, `start`, is also 0 at all other positions
(c·x is 0.4-0.5 there, see docs/log.md): what multiplies by it cannot fire while the answer is being written.
See docs/methods.md §2.1 and docs/methods.md §2.2.

    min_θ  mean_pos (s − 1)²  +  mean_neg max(0, s + margin)²  +  ‖w‖² / 2C,      s = w·x/σ + b·(c·x) + f·x

Each group of positives and of negatives counts as a mean, whatever its size. The loss is convex and piecewise
quadratic, so Newton's steps on the active set end at its one minimum; float64 throughout.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

STEPS = 50
"""Newton steps at most; about eight are needed."""


def constant(
    starts: Tensor, others: Tensor | None = None, ridge: float = 1e-3, weight: float = 1.0
) -> Tensor:
    """A direction c, (d,), by ridge: c·x = 1 on `starts` (n, d) and, where given, 0 on `others` (m, d), which
    count `weight`.
    """
    starts = starts.double()
    gram = starts.T @ starts / len(starts)
    if others is not None:
        gram = gram + weight * others.double().T @ others.double() / len(others)
    eye = torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
    found: Tensor = torch.linalg.solve(gram + ridge * gram.diagonal().mean() * eye, starts.mean(0))
    return found


def fit(
    positives: Sequence[Tensor],
    negatives: Sequence[tuple[Tensor, float]],
    c: Tensor,
    *,
    strength: float,
    margin: float,
    text: tuple[Tensor, float] | None = None,
    fall: Tensor | None = None,
    start: Tensor | None = None,
) -> Tensor:
    """The detector of an intent.

    Args:
        positives: groups (n_i, d), each of the same weight; empty groups are left out.
        negatives: groups (m_j, d) with their weights, which are brought to a sum of 1.
        c: (d,) the constant's direction.
        strength: C, how little the detector is held back; in units of features of variance 1.
        margin: how far below 0 negatives are pushed, in units of the positives' 1.
        text: a further group of negatives, with its weight, that the fit does not count on f for.
        fall: f (d,), what every detector reads besides; nothing by default.
        start: a detector (d,) that Newton's steps begin at, near the one that is looked for; 0 by default.

    Returns:
        g (d,) with g·x about 1 on the intent and below 0 elsewhere.
    """
    ups = [p.double() for p in positives if len(p)]
    groups = [*negatives, *([] if text is None else [text])]
    downs = [(n.double(), weight) for n, weight in groups if len(n)]
    x = torch.cat([*ups, *(n for n, _ in downs)])
    total = sum(weight for _, weight in downs)
    weights = torch.cat(
        [x.new_full((len(p),), 1 / len(ups) / len(p)) for p in ups]
        + [x.new_full((len(n),), weight / total / len(n)) for n, weight in downs]
    )
    count = sum(len(p) for p in ups)
    del ups, downs, groups  # x holds them all, and is large
    besides = x.new_zeros(x.shape[1]) if fall is None else fall
    wanted = torch.cat([x.new_ones(count), x.new_full((len(x) - count,), -margin)])
    counted = len(x) - (0 if text is None else len(text[0]))
    wanted[:counted] -= x[:counted] @ besides
    sigma = x.std(0, correction=0).clamp(min=1e-6 * float(x.norm(p=1)) / x.numel())
    z = x.new_empty(len(x), x.shape[1] + 1)
    torch.div(x, sigma, out=z[:, :-1])
    z[:, -1] = x @ c
    del x
    begin = None if start is None else torch.cat([(start - besides) * sigma, start.new_zeros(1)])
    theta = _newton(z, weights, wanted, count, 1 / strength, begin)
    return theta[:-1] / sigma + theta[-1] * c + besides


def _newton(
    z: Tensor, weights: Tensor, wanted: Tensor, count: int, decay: float, begin: Tensor | None = None
) -> Tensor:
    """Minimise; the first `count` rows are positives, which shall read what is wanted, the others no more."""
    theta = z.new_zeros(z.shape[1]) if begin is None else begin
    penalty = z.new_full((z.shape[1],), decay)
    penalty[-1] = 1e-6 * decay
    is_positive = torch.arange(len(z), device=z.device) < count

    def loss(t: Tensor) -> Tensor:
        miss = z @ t - wanted
        miss = torch.where(is_positive, miss, miss.clamp(min=0))
        return (weights * miss**2).sum() + (penalty * t**2).sum() / 2

    now = loss(theta)
    for _ in range(STEPS):
        active = is_positive | (z @ theta > wanted)
        step = _lowest(z[active], weights[active], wanted[active], penalty) - theta
        length = 1.0
        while length > 1e-4 and loss(theta + length * step) > now:
            length /= 2
        after = loss(theta + length * step)
        if not after < now:
            break
        theta, before, now = theta + length * step, now, after
        if before - now <= 1e-12 * before:
            break
    return theta


def _lowest(rows: Tensor, weights: Tensor, wanted: Tensor, penalty: Tensor) -> Tensor:
    """Where the loss of these rows alone is least."""
    weighted = rows.T * weights
    weighted *= 2
    found: Tensor = torch.linalg.solve(weighted @ rows + penalty.diag(), weighted @ wanted)
    return found
