"""Among many: an add and a forget are timed against an add alone, and only the add takes value steps."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.bench import among as room
from monogram.bench.among import among, hurried, summarise, task
from monogram.bench.cost import clusters_of
from monogram.editors import neuron
from monogram.editors.kept import Memory
from monogram.editors.values import ValueConfig
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.store.artefacts import Artefacts
from tests import tiny

SETTINGS: dict[str, Any] = {"layer": 1, "asks": 1, "advice": 1, "value": ValueConfig(steps=3, stop=0.0)}
CONFIG = neuron.NeuronConfig(**SETTINGS)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Gradient steps, value step by value step."""
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("monogram.probing.TOKENS", 1)
    found: list[int] = []
    plain = neuron.value_step

    def counted(*args: Any, **more: Any) -> Any:
        value = plain(*args, **more)
        found.append(len(value.losses) - 1)
        return value

    monkeypatch.setattr(neuron, "value_step", counted)
    monkeypatch.setattr(neuron.Neuron.__init__, "__defaults__", (CONFIG,))
    return found


def test_an_add_among_many_takes_the_steps_of_one_alone_and_a_forget_none(
    taken: list[int], tmp_path: Path
) -> None:
    em = tiny.editable(dtype=torch.float32)
    chosen = [c.preference for c in clusters_of(None, 6, None)]
    keep = Artefacts(tmp_path / "kept").of("bench")
    records = among(em, "neuron", chosen, 4, keep)
    assert taken == [1] * 6 + [3, 3] * 2  # the others hurried; two turns, alone and among
    assert [(r["item"], r["kind"]) for r in records] == [(0, "alone"), (0, "among"), (0, "forget")]
    assert all(r["seconds"] > 0 for r in records)
    assert len(list(keep.folder.iterdir())) <= 5


def test_who_is_hurried_keeps_under_the_same_address(taken: list[int]) -> None:
    em, memory = tiny.editable(), Memory()
    clusters = clusters_of(None, 1, None)
    hurried("neuron").edit(em, clusters, keep=memory)
    assert neuron.Neuron().edit(em, clusters, keep=memory).details["steps"] == [0]
    assert taken == [1]


def test_ratios_are_of_the_add_alone() -> None:
    rows = {"alone": [2.0, 2.0, 4.0], "among": [3.0, 3.0, 3.0], "forget": [1.0, 1.0, 1.0]}
    records = [
        {"method": "neuron", "item": i, "kind": kind, "seconds": s}
        for kind, taken in rows.items()
        for i, s in enumerate(taken)
    ]
    found = summarise(records)["neuron"]
    assert (found["alone"].value, found["among_ratio"].value, found["forget_ratio"].value) == (2.0, 1.5, 0.5)
    assert found["among_ratio"].n == 3


def test_the_task_writes_its_folder_once(
    taken: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: tiny.editable(dtype=torch.float32))
    monkeypatch.setattr(room, "TURNS", 1)
    told: dict[str, Any] = {"data": None, "methods": "neuron", "model": "tiny", "per_attribute": None}
    told |= {"limit": 2, "seed": 0, "progress": None, "out": tmp_path / "out", "split": None}
    with pytest.raises(InputError, match="no split 'test'"):
        task.run(**(told | {"split": "test"}))
    summary = task.run(**told)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert json.loads((tmp_path / "out" / "run.json").read_text())["run"]["others"] == 2
    assert len((tmp_path / "out" / "raw.jsonl").read_text().splitlines()) == 3
    assert "times the add alone" in task.table(summary)
    with pytest.raises(InputError, match="holds another run"):
        task.run(**told)
