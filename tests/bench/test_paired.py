"""McNemar's test, against values worked out by hand."""

import pytest

from monogram.bench.paired import flips, mcnemar


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (5, 5, 1.0), (10, 1, 0.01171875)],
)
def test_p_is_the_exact_binomials(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p)
    assert mcnemar(lost, gained) == mcnemar(gained, lost)


def test_flips_are_counted_both_ways() -> None:
    assert flips([(False, True), (True, False), (True, False), (True, True), (False, False)]) == (1, 2)
