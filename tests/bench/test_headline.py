"""The score is the formula of docs/evaluation.md §5; no single trick wins it."""

import pytest

from monogram.bench.headline import HEADLINE, score
from monogram.bench.intervals import Figure


def column(**told: list[bool | None]) -> dict[str, list[bool | None]]:
    perfect = {name: [name not in ("leak", "crosstalk")] for name in HEADLINE}
    return {**perfect, **told}


def test_the_score_is_the_harmonic_mean_of_smoothed_rates() -> None:
    nine = [column() for _ in range(10)]
    assert score(nine).value == pytest.approx(11 / 12)
    poor = [column(implicit=[False]) for _ in range(10)]
    assert score(poor).value == pytest.approx(7 / (6 / (11 / 12) + 1 / (1 / 12)))
    assert score(poor).n == 10


def test_leak_lowers_the_score_and_unscored_marks_do_not() -> None:
    leaky = [column(leak=[True, False]) for _ in range(4)]
    assert score(leaky).value == pytest.approx(7 / (6 / (5 / 6) + 1 / (5 / 10)))
    assert score([column(direct=[None, True])]) == score([column()])


def test_a_column_that_was_not_run_is_left_out() -> None:
    without: list[dict[str, list[bool | None]]] = [column(top1=[]) for _ in range(10)]
    assert score(without).value == pytest.approx(11 / 12)
    assert score([]) == score([{}]) == Figure(None, None, None, 0)


def test_the_scores_interval_draws_items() -> None:
    mixed = [column(direct=[i % 2 == 0], product=[i % 3 == 0]) for i in range(12)]
    found = score(mixed)
    assert found == score(mixed)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low < found.value < found.high
    assert score(mixed, seed=1) != found
