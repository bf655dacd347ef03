"""The joint closed form against the normal equations, solved by brute force in float64."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from monogram.editors.solve import Base, Wish, base, solve
from monogram.errors import InputError

WIDTH, OUT = 24, 10
NONE = torch.zeros(0, WIDTH, dtype=torch.float64)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wish(seed: int, *, keys: int = 5, contrast: int = 4, width: int = WIDTH) -> Wish:
    return Wish(
        f"{seed:064x}",
        random(keys, width, seed=seed) + random(width, seed=100 + seed),
        random(OUT, seed=200 + seed),
        random(contrast, width, seed=300 + seed),
    )


def gates(ground: Base, wishes: Sequence[Wish], *, mu: float = 1.0, woodbury: bool | None = None) -> Tensor:
    """(d_in, P)"""
    return solve(ground, wishes, mu=mu, woodbury=woodbury).right.T


def flat(value: float) -> Wish:
    return Wish("a", torch.full((2, WIDTH), value, dtype=torch.float64), torch.ones(OUT), NONE)


def ground() -> tuple[Tensor, Tensor]:
    tokens = random(3 * WIDTH, WIDTH, seed=900) @ random(WIDTH, WIDTH, seed=901)
    return tokens.T @ tokens / len(tokens), random(7, WIDTH, seed=902)


def person_base(lam: float = 0.3, nu: float = 2.0) -> Base:
    second, unrelated = ground()
    return base(second, unrelated, lam=lam, nu=nu)


def by_least_squares(wishes: Sequence[Wish], lam: float, mu: float, nu: float, ridge: float) -> Tensor:
    """Δ that minimises the sum of docs/methods.md §3, its terms stacked into one least-squares problem."""
    second, unrelated = ground()
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def ask(keys: Tensor, weight: float, residual: Tensor) -> None:
        inputs.append(keys * (weight / max(len(keys), 1)) ** 0.5)
        outputs.append(residual.expand(len(keys), -1) * (weight / max(len(keys), 1)) ** 0.5)

    nothing = torch.zeros(OUT, dtype=torch.float64)
    for w in wishes:
        ask(w.keys, 1.0, w.residual)
        ask(w.contrast, mu, nothing)
    ask(unrelated, nu, nothing)
    diagonal = lam * second.diagonal() + nu * (unrelated**2).mean(0)
    whole = lam * second + ridge * diagonal.mean() * torch.eye(WIDTH, dtype=torch.float64)
    inputs.append(torch.linalg.cholesky(whole).T)
    outputs.append(torch.zeros(WIDTH, OUT, dtype=torch.float64))
    return torch.linalg.lstsq(torch.cat(inputs), torch.cat(outputs)).solution.T


@pytest.mark.parametrize("woodbury", [True, False])
@pytest.mark.parametrize(("lam", "mu", "nu"), [(0.3, 0.7, 2.0), (10.0, 1.0, 1.0), (1.0, 0.0, 0.0)])
def test_it_is_the_minimum_of_the_sum_up_to_each_gates_scale(
    woodbury: bool, lam: float, mu: float, nu: float
) -> None:
    wishes = [wish(i, keys=3 + i, contrast=i) for i in range(3)]
    second, unrelated = ground()
    found = solve(base(second, unrelated, lam=lam, nu=nu, ridge=1e-3), wishes, mu=mu, woodbury=woodbury)
    brute = by_least_squares(wishes, lam, mu, nu, 1e-3)
    # the gates of the plain minimum, read off its residual directions
    plain = torch.linalg.lstsq(found.left, brute).solution  # (P, d_in)
    assert torch.allclose(found.left @ plain, brute, atol=1e-10)
    for p, w in enumerate(wishes):
        assert torch.allclose(found.right[p], plain[p] / (plain[p] @ w.keys.mean(0)), atol=1e-9)


def test_it_is_the_dense_normal_equations_solved_directly() -> None:
    wishes = [wish(i) for i in range(4)]
    second, unrelated = ground()
    k = torch.cat([w.keys for w in wishes]).T
    member = torch.block_diag(*[torch.ones(5, 1, dtype=torch.float64) for _ in wishes])
    contrast = torch.cat([w.contrast for w in wishes]).T
    m = 0.3 * second + 2.0 / 7 * unrelated.T @ unrelated
    m = m + 1e-6 * m.diagonal().mean() * torch.eye(WIDTH, dtype=torch.float64)
    m = m + 0.7 / 4 * contrast @ contrast.T
    a = torch.linalg.inv(k @ k.T / 5 + m) @ k @ member / 5
    a = a / (k.T @ a * member).sum(0) * 5
    residuals = torch.stack([w.residual for w in wishes], 1)
    assert torch.allclose(solve(person_base(), wishes, mu=0.7).dense(), residuals @ a.T, atol=1e-9)


@pytest.mark.parametrize("keys", [1, 4, 30])
def test_woodbury_and_direct_agree(keys: int) -> None:
    wishes = [wish(i, keys=keys) for i in range(3)]
    around = person_base()
    one, other = (gates(around, wishes, mu=0.7, woodbury=way) for way in (True, False))
    assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)
    chosen = gates(around, wishes, mu=0.7)
    assert torch.equal(chosen, one if 3 * (keys + 4) < WIDTH else other)


def test_the_gate_is_1_on_the_mean_training_key_and_rank_is_the_number_of_preferences() -> None:
    wishes = [wish(i, keys=40) for i in range(3)]
    found = solve(person_base(), wishes)
    assert found.rank == 3
    for p, w in enumerate(wishes):
        assert float((found.right[p] @ w.keys.T).mean()) == pytest.approx(1.0, abs=1e-12)


def test_more_contrast_weight_means_smaller_gates_on_contrast() -> None:
    w = wish(1, contrast=12)
    sizes = [float((w.contrast @ gates(person_base(), [w], mu=mu)).pow(2).mean()) for mu in (0.0, 1.0, 100.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_shared_contrast_counts_once_for_the_whole_person() -> None:
    a, b = wish(1, contrast=0), wish(2, contrast=0)
    shared = random(6, WIDTH, seed=7)
    on_one = Wish(a.digest, a.keys, a.residual, shared)
    found = solve(person_base(), [a, b], shared=[shared], mu=0.7)
    assert torch.allclose(found.dense(), solve(person_base(), [on_one, b], mu=0.7).dense(), atol=1e-12)


def test_weights_mean_the_same_for_any_number_of_phrasings() -> None:
    w = wish(1)
    twice = Wish(w.digest, w.keys.repeat(2, 1), w.residual, w.contrast.repeat(3, 1))
    one, other = (gates(person_base(), [x], woodbury=False) for x in (w, twice))
    assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)


def test_preferences_whose_keys_dont_meet_are_solved_as_if_alone() -> None:
    half, blank = WIDTH // 2, torch.zeros(5, WIDTH // 2, dtype=torch.float64)
    first = Wish("a", torch.cat([random(5, half, seed=1), blank], 1), random(OUT, seed=2), NONE)
    second = Wish("b", torch.cat([blank, random(5, half, seed=4)], 1), random(OUT, seed=5), NONE)
    plain = base(torch.eye(WIDTH, dtype=torch.float64))
    both = gates(plain, [first, second])
    assert torch.allclose(both[:, :1], gates(plain, [first]), atol=1e-12)
    assert torch.allclose(both[:, 1:], gates(plain, [second]), atol=1e-12)


def test_it_depends_on_the_set_alone_to_the_bit() -> None:
    a, b, c = wish(1), wish(2), wish(3)
    assert solve(person_base(), [c, a, b]) == solve(person_base(), [a, b, c])
    shared = person_base()
    solve(shared, [a, b, c])
    assert solve(shared, [b, a]) == solve(person_base(), [a, b])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (lambda: base(torch.eye(3), torch.ones(2, 4)), "don't fit"),
        (lambda: base(torch.eye(3), lam=-1.0), "0 or more"),
        (lambda: base(torch.zeros(3, 3)), "nothing can be solved"),
        (lambda: gates(person_base(), [wish(1, keys=0)]), "n >= 1"),
        (lambda: gates(person_base(), [wish(1, width=5)]), "don't fit"),
        (lambda: gates(person_base(), [wish(1), wish(1)]), "twice"),
        (lambda: gates(person_base(), [wish(1)], mu=-1.0), "0 or more"),
        (lambda: gates(person_base(), [flat(0.0)]), "zero"),
        (lambda: gates(person_base(), [flat(float("nan"))]), "finite"),
        (lambda: solve(person_base(), []), "at least one"),
    ],
)
def test_what_cannot_be_solved_is_said(bad: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        bad()  # type: ignore[operator]
