"""Value steps: turn and turn about, warmed up, and held against the first editor's result."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from monogram.bench.value_steps import figures, value_steps
from monogram.clusters.expand import expand
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from tests import tiny

CLUSTERS = [expand(Preference("hobby", target)) for target in ("Hiking", "Chess", "Pottery")]


@dataclass
class Result:
    residual: torch.Tensor
    losses: tuple[float, ...]
    seconds: float


class Stepper:
    """Finds the same residual as every other, `off` aside, and says it took `seconds`."""

    def __init__(self, name: str, seconds: float, calls: list[str], off: float = 0.0) -> None:
        self.name, self.seconds, self.calls, self.off = name, seconds, calls, off

    def value_step(self, model: EditableModel, cluster: Any) -> Result:
        self.calls.append(self.name)
        return Result(torch.tensor([3.0, 4.0 + self.off]), (2.0, 1.0 + self.off / 2), self.seconds)


def timed(calls: list[str]) -> list[dict[str, Any]]:
    steppers = [Stepper("fast", 1.0, calls), Stepper("plain", 8.0, calls, off=1e-3)]
    return value_steps(tiny.editable(), steppers, CLUSTERS)


def test_turns_change_and_the_first_is_not_counted() -> None:
    calls: list[str] = []
    records = timed(calls)
    assert calls == [*("fast", "plain"), *("fast", "plain"), *("plain", "fast"), *("fast", "plain")]
    assert [(r["item"], r["method"]) for r in records] == [
        (str(i), m) for i in range(3) for m in ("fast", "plain")
    ]


def test_the_ratio_and_the_differences_are_against_the_first() -> None:
    records = timed([])
    fast, plain = (figures([r for r in records if r["method"] == name]) for name in ("fast", "plain"))
    assert fast["ratio"].value == 1.0
    assert plain["ratio"].value == 8.0
    assert plain["value_seconds"].n == 3
    assert fast["residual_difference"].value == 0.0
    assert plain["residual_difference"].value == pytest.approx(1e-3, rel=1e-3)
    assert plain["residual_relative"].value == pytest.approx(2e-4, rel=1e-3)
    assert plain["loss_difference"].value == pytest.approx(5e-4)
    assert plain["steps"].value == 1
