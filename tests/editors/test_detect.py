"""The detector is the one minimum of its loss, and the constant is 1 where answers start and 0 elsewhere."""

import pytest
import torch
from torch import Tensor

from monogram.editors.detect import _newton, constant, fit

D = 12


def cloud(n: int, seed: int, d: int = D) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ground() -> tuple[list[Tensor], list[tuple[Tensor, float]], Tensor]:
    shift = 2 * cloud(1, 9)
    positives = [cloud(7, 1) * 1.5 + shift + cloud(1, 2), cloud(5, 3) + shift]
    negatives = [(cloud(30, 4) + 0.5 * shift, 1.0), (cloud(9, 5), 1.0), (3 * cloud(20, 6), 0.3)]
    return positives, negatives, cloud(1, 7)[0]


def loss(
    theta: Tensor,
    positives: list[Tensor],
    negatives: list[tuple[Tensor, float]],
    c: Tensor,
    strength: float,
    margin: float,
    fall: Tensor,
) -> Tensor:
    """As the module's docstring writes it, group by group; f is not counted in the last of the negatives."""
    everything = torch.cat([*positives, *(rows for rows, _ in negatives)])
    sigma = everything.std(0, correction=0)

    def s(x: Tensor) -> Tensor:
        found = (x / sigma) @ theta[:-1] + theta[-1] * (x @ c)
        return found if x is negatives[-1][0] else found + x @ fall

    total = sum(weight for _, weight in negatives)
    up = sum(((s(x) - 1) ** 2).mean() for x in positives) / len(positives)
    down = sum(w / total * ((s(x) + margin).clamp(min=0) ** 2).mean() for x, w in negatives)
    held = theta[:-1].pow(2).sum() + 1e-6 * theta[-1] ** 2
    return up + down + held / (2 * strength)


@pytest.mark.parametrize(
    ("strength", "margin", "far"), [(10.0, 0.1, 0.0), (0.3, 0.0, 0.5), (100.0, 0.5, 0.1)]
)
def test_newton_ends_where_gradient_descent_ends(strength: float, margin: float, far: float) -> None:
    positives, negatives, c = ground()
    fall = far * cloud(1, 7)[0]
    most, text = negatives[:-1], negatives[-1]
    found = fit(positives, most, c, strength=strength, margin=margin, text=text, fall=fall if far else None)
    theta = torch.zeros(D + 1, dtype=torch.float64, requires_grad=True)
    lbfgs = torch.optim.LBFGS(
        [theta], max_iter=1000, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        lbfgs.zero_grad()
        value = loss(theta, positives, negatives, c, strength, margin, fall)
        value.backward()
        return value

    lbfgs.step(closure)
    with torch.no_grad():
        everything = torch.cat([*positives, *(rows for rows, _ in negatives)])
        wanted = theta[:-1] / everything.std(0, correction=0) + theta[-1] * c + fall
    torch.testing.assert_close(everything @ found, everything @ wanted, rtol=1e-4, atol=1e-5)


def test_at_newtons_end_the_gradient_is_nothing() -> None:
    z, weights = cloud(60, 1), torch.rand(60, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wanted = torch.cat([torch.ones(20).double(), torch.full((40,), -0.2, dtype=torch.float64)])
    theta = _newton(z, weights, wanted, 20, 0.1).requires_grad_()
    miss = z @ theta - wanted
    miss = torch.cat([miss[:20], miss[20:].clamp(min=0)])
    penalty = torch.tensor([0.1] * (D - 1) + [1e-7], dtype=torch.float64)
    ((weights * miss**2).sum() + (penalty * theta**2).sum() / 2).backward()
    assert theta.grad is not None
    assert float(theta.grad.norm()) < 1e-12


def test_where_it_can_it_says_1_on_the_intent_and_less_than_0_elsewhere() -> None:
    apart = torch.zeros(D, dtype=torch.float64)
    apart[0] = 6
    positives, negatives = cloud(20, 1) + apart, cloud(50, 2) - apart
    g = fit([positives], [(negatives, 1.0)], cloud(1, 3)[0], strength=100.0, margin=0.1)
    assert float((positives @ g).mean()) == pytest.approx(1, abs=0.05)
    assert float((negatives @ g).max()) < 0.05


def test_each_group_counts_as_a_mean_whatever_its_size() -> None:
    (a, b), ((n, _), *rest), c = ground()
    settings = {"strength": 3.0, "margin": 0.1}
    once = fit([a, b], [(n, 1.0)], c, **settings)
    # the same rows again leave means and deviations as they are
    often = fit([a.repeat(3, 1), b.repeat(3, 1)], [(n.repeat(3, 1), 1.0)], c, **settings)
    torch.testing.assert_close(once, often)
    assert len(rest) == 2


def test_only_the_ratio_of_weights_counts_and_empty_groups_are_left_out() -> None:
    positives, negatives, c = ground()
    settings = {"strength": 3.0, "margin": 0.1}
    found = fit(positives, negatives, c, **settings)
    tenfold = [(rows, 10 * weight) for rows, weight in negatives]
    torch.testing.assert_close(fit(positives, tenfold, c, **settings), found)
    empty = cloud(0, 1)
    assert torch.equal(fit([empty, *positives], [*negatives, (empty, 5.0)], c, **settings), found)


def test_it_is_made_in_float64_whatever_it_is_given() -> None:
    positives, negatives, c = ground()
    low = fit(
        [p.float() for p in positives], [(n.float(), w) for n, w in negatives], c, strength=1.0, margin=0.1
    )
    assert low.dtype == torch.float64
    torch.testing.assert_close(
        low, fit(positives, negatives, c, strength=1.0, margin=0.1), rtol=1e-4, atol=1e-5
    )


def test_a_feature_that_never_moves_does_no_harm() -> None:
    positives, negatives, c = ground()
    for rows in (*positives, *(n for n, _ in negatives)):
        rows[:, 3] = 2.0
    assert bool(fit(positives, negatives, c, strength=1.0, margin=0.1).isfinite().all())


def test_the_constant_is_1_on_starts_and_0_elsewhere() -> None:
    starts = torch.cat([cloud(200, 1, 16) * 0.3, 1 + 0.01 * cloud(200, 3, 1), cloud(200, 5, 1) * 0.01], 1)
    others = torch.cat([cloud(300, 2, 16), 0.01 * cloud(300, 4, 1), 1 + 0.01 * cloud(300, 6, 1)], 1)
    c = constant(starts, others, ridge=1e-6)
    assert c.shape == (18,)
    assert float((starts @ c - 1).abs().max()) < 0.1
    assert float((others @ c).abs().max()) < 0.1
    alone = constant(starts, ridge=1e-6)
    assert float((starts @ alone - 1).abs().max()) < 0.1
    both = torch.cat([starts, others])
    assert float((both @ constant(both, ridge=1e-6)).mean()) > 0.9


@pytest.mark.parametrize("weight", [1.0, 100.0])
def test_the_constant_is_the_ridge_solution_row_by_row(weight: float) -> None:
    starts, others = cloud(40, 1) + 1, cloud(25, 2)
    c = constant(starts.float(), others, ridge=0.01, weight=weight).requires_grad_(False)
    gram = (starts.T @ starts) / 40 + weight * (others.T @ others) / 25
    again = c.clone().requires_grad_()
    value = ((starts @ again - 1) ** 2).mean() + weight * ((others @ again) ** 2).mean()
    (value + 0.01 * gram.diagonal().mean() * again.pow(2).sum()).backward()
    assert again.grad is not None
    assert float(again.grad.norm()) < 1e-6
    assert c.dtype == torch.float64


def test_wherever_newton_begins_it_ends_at_the_same_detector() -> None:
    positives, negatives, c = ground()
    settings = {"strength": 10.0, "margin": 0.1, "fall": 0.1 * cloud(1, 7)[0]}
    found = fit(positives, negatives, c, **settings)
    without = fit(positives, negatives[:1], c, **settings)
    assert float((without - found).norm()) > 0.01 * float(found.norm())
    again = fit(positives, negatives, c, **settings, start=without)
    torch.testing.assert_close(again, found, rtol=1e-6, atol=1e-9)
