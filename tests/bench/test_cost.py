"""Cost: turn and turn about, warmed up, and held against the first method's result."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.bench import cost as room
from monogram.bench.cost import clusters_of, cost, stepping, summarise, task
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.records import written


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
    return cost(tiny.editable(), steppers, clusters_of(None, 3, None))


def test_turns_change_and_the_first_is_not_counted() -> None:
    calls: list[str] = []
    records = timed(calls)
    assert calls == [*("fast", "plain"), *("fast", "plain"), *("plain", "fast"), *("fast", "plain")]
    assert [(r["item"], r["method"]) for r in records] == [
        (i, m) for i in range(3) for m in ("fast", "plain")
    ]


def test_the_ratio_and_the_differences_are_against_the_first() -> None:
    found = summarise(timed([]))
    assert found["fast"]["ratio"].value == 1.0
    assert found["plain"]["ratio"].value == 8.0
    assert found["plain"]["seconds_per_preference"].n == 3
    assert found["fast"]["residual_difference"].value == 0.0
    assert found["plain"]["residual_difference"].value == pytest.approx(1e-3, rel=1e-3)
    assert found["plain"]["residual_relative"].value == pytest.approx(2e-4, rel=1e-3)
    assert found["plain"]["loss_difference"].value == pytest.approx(5e-4)
    assert found["plain"]["steps"].value == 1


def test_clusters_are_the_files_or_the_tables_examples(tmp_path: Path) -> None:
    assert len(clusters_of(None, None, None)) == 10
    assert [c.preference.target for c in clusters_of(written(tmp_path), 2, None)] == ["Hill walking", "Baker"]
    assert len(clusters_of(written(tmp_path), None, 1)) == 4


def test_the_task_writes_its_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "stepping", lambda names: [Stepper(name, 1.0, []) for name in names])
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: tiny.editable())
    told: dict[str, Any] = {"data": None, "methods": "a, b", "model": "tiny", "per_attribute": None}
    told |= {"limit": 2, "seed": 0, "progress": None, "split": None}
    with pytest.raises(InputError, match="no split 'test'"):
        task.run(out=tmp_path / "new" / "out", **(told | {"split": "test"}))
    summary = task.run(out=tmp_path / "new" / "out", **told)
    assert json.loads((tmp_path / "new" / "out" / "summary.json").read_text()) == summary
    assert len((tmp_path / "new" / "out" / "raw.jsonl").read_text().splitlines()) == 4
    assert "seconds per preference" in task.table(summary)
    with pytest.raises(InputError, match="holds another run"):
        task.run(out=tmp_path / "new" / "out", **told)


def test_who_has_no_value_step_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str) -> object:
        return Stepper(name, 1.0, []) if name == "neuron" else object()

    monkeypatch.setattr(room, "editor", made)
    monkeypatch.setattr(room, "editor_names", lambda: ("neuron", "rome"))
    assert [s.name for s in stepping(["all"])] == ["neuron"]
    with pytest.raises(InputError, match="'rome' has no value step"):
        stepping(["neuron", "rome"])
    monkeypatch.undo()
    with pytest.raises(UnknownNameError):
        stepping(["neurn"])
