"""ROC, its area and the best threshold, against hand-made curves and sklearn's where it is here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monogram.bench.scorers.calibration import Point, area, best, pairs, polarity_of, roc
from monogram.errors import InputError

LABELLED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2).filter(
    lambda told: len({label for _, label in told}) == 2
)


def test_a_curve_by_hand() -> None:
    points = roc([0.9, 0.8, 0.8, 0.1], [True, True, False, False])
    assert points == [
        Point(0.9, 0.5, 0.0, 0.75),
        Point(0.8, 1.0, 0.5, 0.75),
        Point(0.1, 1.0, 1.0, 0.5),
    ]
    assert area(points) == 0.875  # of four pairs three and a half are in order
    assert best(points).threshold == 0.9


@given(LABELLED)
def test_the_area_is_how_often_a_true_one_is_above_a_false_one(told: list[tuple[int, bool]]) -> None:
    true = [score for score, label in told if label]
    false = [score for score, label in told if not label]
    above = sum((t > f) + 0.5 * (t == f) for t in true for f in false) / (len(true) * len(false))
    points = roc([float(score) for score, _ in told], [label for _, label in told])
    assert area(points) == pytest.approx(above)
    assert (points[-1].hits, points[-1].false_alarms) == (1, 1)


@given(LABELLED)
def test_no_threshold_agrees_with_more_than_the_best(told: list[tuple[int, bool]]) -> None:
    found = best(roc([float(score) for score, _ in told], [label for _, label in told]))
    for threshold in range(6):
        agree = sum((score >= threshold) == label for score, label in told) / len(told)
        assert agree <= max(found.agreement, sum(not label for _, label in told) / len(told)) + 1e-12


@pytest.mark.parametrize("labels", [[], [True], [True, True], [False, False]])
def test_a_curve_needs_both_kinds_and_a_label_each(labels: list[bool]) -> None:
    with pytest.raises(InputError, match="both kinds"):
        roc([0.1, 0.2], labels)


def test_the_pairs_are_many_of_both_kinds_and_each_once() -> None:
    cases, labels = pairs()
    assert len(cases) == len(labels) >= 60
    assert 0.3 < sum(labels) / len(labels) < 0.7
    assert len({(case.target, case.answer) for case in cases}) == len(cases)


def test_the_polarity_is_the_tables_and_else_a_liking() -> None:
    assert polarity_of("allergy") == "avoids"
    assert polarity_of("favorite knot") == "likes"
