"""Paired tests against known values, scipy's where it is here."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monogram.bench.comparison import EXACT, Paired, flipped, means, rates
from monogram.bench.paired import mcnemar
from monogram.errors import InputError

MARKS = st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None])))


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (8, 2, 0.109375),
        (3, 3, 1.0),
        (86, 150, 3.716e-05),  # Agresti, Categorical Data Analysis, table 10.1
    ],
)
def test_mcnemar_by_hand(wins: int, losses: int, p: float) -> None:
    assert mcnemar(wins, losses) == pytest.approx(p, rel=1e-3)


@pytest.mark.parametrize(("wins", "losses"), [(12, 4), (7, 7), (0, 9), (30, 18), (400, 330)])
def test_mcnemar_is_scipys_binomial_test(wins: int, losses: int) -> None:
    assert mcnemar(wins, losses) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)


def test_rates_count_pairs_that_both_have() -> None:
    first = [True, True, True, False, True, None, True]
    second = [False, True, False, True, None, True, False]
    found = rates(first, second)
    assert (found.wins, found.losses, found.n) == (3, 1, 5)
    assert found.difference == pytest.approx(0.4)
    assert found.p == mcnemar(3, 1) == pytest.approx(0.625)


@given(MARKS)
def test_turned_around_it_says_the_opposite(marks: list[tuple[bool | None, bool | None]]) -> None:
    one, other = [a for a, _ in marks], [b for _, b in marks]
    forth, back = rates(one, other), rates(other, one)
    assert (forth.wins, forth.losses, forth.p, forth.n) == (back.losses, back.wins, back.p, back.n)
    if forth.n:
        assert forth.difference == pytest.approx(-(back.difference or 0))


def test_all_sign_flips_of_few_differences() -> None:
    assert flipped(np.array([1.0, 2.0, 3.0])) == 2 / 8  # 6 and -6 alone are as far
    assert flipped(np.array([1.0, 1.0, -1.0])) == 8 / 8
    assert flipped(np.array([0.1, 0.2, 0.3, -0.6])) == 1.0  # no rounding parts what is equal
    assert flipped(np.array([])) == 1.0


def test_drawn_flips_are_near_the_exact_ones_and_never_zero() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, EXACT)
    drawn = flipped(np.concatenate([values, np.full(1, 1e-12)]))  # one more, which weighs nothing
    assert drawn == pytest.approx(flipped(values), abs=0.02)
    assert flipped(np.ones(60)) == pytest.approx(1 / 10_001)
    assert flipped(np.ones(60), seed=1) == flipped(np.ones(60), seed=1)


def test_means_against_scipys_permutation_test() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.5, 1, 12), rng.normal(0, 1, 12)
    exact = stats.permutation_test(
        (first - second,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert means(list(first), list(second)).p == pytest.approx(exact.pvalue)


def test_means_have_their_interval_and_ties_do_not_count_for_p() -> None:
    found = means([3.0, 2.0, 5.0, 1.0], [1.0, 2.0, 3.0, 1.0])
    assert (found.difference, found.p, found.wins, found.losses, found.n) == (1.0, 0.5, 2, 0, 4)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= 1 <= found.high <= 2
    assert math.isfinite(found.high)


def test_nothing_has_no_difference() -> None:
    nothing = Paired(None, None, None, None, 0, 0, 0)
    assert rates([], []) == rates([None], [True]) == means([], []) == nothing
    assert nothing.as_dict()["p"] is None


def test_unlike_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"2 and 1\. Run both methods"):
        rates([True, False], [True])
