"""Agreement: raw and Cohen's kappa, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monogram.bench.scorers.agreement import agreement, agreements
from monogram.errors import InputError

MARKS = st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None])))


def test_the_textbook_example() -> None:
    first = [True] * 25 + [False] * 25  # 20 both yes, 15 both no: kappa 0.4
    second = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    found = agreement(first, second)
    assert (found.raw.value, found.raw.n) == (0.7, 50)
    assert found.kappa == pytest.approx(0.4)
    assert (found.yes_no, found.no_yes) == (5, 10)


def test_what_one_of_them_left_out_does_not_count() -> None:
    found = agreement([True, None, False, True], [True, True, None, False])
    assert (found.raw.value, found.raw.n, found.yes_no) == (0.5, 2, 1)


def test_where_chance_says_it_all_there_is_no_kappa() -> None:
    assert agreement([True, True], [True, True]).kappa is None
    assert agreement([], []).kappa is None
    assert agreement([], []).raw.value is None


@given(MARKS)
def test_it_is_the_same_both_ways_and_never_above_one(marks: list[tuple[bool | None, bool | None]]) -> None:
    one, other = [a for a, _ in marks], [b for _, b in marks]
    forth, back = agreement(one, other), agreement(other, one)
    assert forth.raw == back.raw
    assert (forth.yes_no, forth.no_yes) == (back.no_yes, back.yes_no)
    if forth.kappa is not None:
        assert forth.kappa == pytest.approx(back.kappa)
        assert -1 - 1e-9 <= forth.kappa <= 1 + 1e-9
        assert (forth.kappa == pytest.approx(1)) == (forth.raw.value == 1)


def test_each_pair_of_scorers_stands_once() -> None:
    marks = {"contains": [True], "recall": [True], "similar": [False]}
    assert list(agreements(marks)) == [("contains", "recall"), ("contains", "similar"), ("recall", "similar")]


def test_unlike_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="1 marks and 0"):
        agreement([True], [])
