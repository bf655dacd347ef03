"""Intervals: Wilson's against published values, bootstrap the same every time."""

import pytest

from monogram.bench.intervals import mean, median, rate, ratio_of_medians, share


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (38, 40, 0.8350, 0.9862)],
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    figure = rate(hits, n)
    assert figure.value == hits / n
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=1e-4)
    assert figure.n == n


def test_nothing_has_no_value() -> None:
    for figure in (rate(0, 0), share([None]), mean([]), median([]), ratio_of_medians([], [])):
        assert figure.as_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_marks_that_are_none_do_not_count() -> None:
    assert share([True, None, False, None, True]) == rate(2, 3)


def test_the_bootstrap_is_the_same_every_time_and_holds_its_value() -> None:
    values = [1.0, 2.0, 2.5, 4.0, 9.0]
    assert mean(values) == mean(values)
    for figure, value in ((mean(values), 3.7), (median(values), 2.5)):
        assert figure.value == pytest.approx(value)
        assert figure.low is not None
        assert figure.high is not None
        assert 1.0 <= figure.low <= value <= figure.high <= 9.0
    assert mean([3.0, 3.0]).as_dict() == {"value": 3.0, "low": 3.0, "high": 3.0, "n": 2}


def test_a_ratio_is_taken_in_pairs() -> None:
    ones = [1.0, 2.0, 3.0, 7.0]
    figure = ratio_of_medians([8 * x for x in ones], ones)
    assert (figure.value, figure.low, figure.high) == (8.0, 8.0, 8.0)
