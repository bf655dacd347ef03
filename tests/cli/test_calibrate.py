"""calibrate passes on what was typed, shows what was found, and explains what it cannot do."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monogram.bench import door
from monogram.cli.app import app
from monogram.editors.cluster import ClusterEditor


def run(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["calibrate", *words])
    assert result.exit_code == expect, result.output
    return result


def figure(value: float) -> dict[str, float | int]:
    return {"value": value, "low": 0.0, "high": 1.0, "n": 4}


def candidate(layer: int, measured: float | None) -> dict[str, Any]:
    gates = dict.fromkeys(("score", "recall", "leak", "crosstalk", "unrelated"), figure(0.25))
    said = None if measured is None else {"score": figure(measured), "drift": figure(0.0123)}
    return {"settings": {"layer": layer, "threshold": 0.0}, "gates": gates, "measured": said}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def calibrate(*args: Any, **more: Any) -> dict[str, Any]:
        calls.append((*args, more.pop("progress", None), more))
        return {
            "model": "tiny",
            "editor": "neuron",
            "settings": {"layer": 3, "threshold": 0.0},
            "defaults": {"layer": 2, "threshold": 0.0},
            "kept": "x.json",
            "page": "report.html",
            "candidates": [candidate(1, None), candidate(2, 0.5), candidate(3, 0.75)],
        }

    monkeypatch.setattr(door, "calibrate", calibrate)
    return calls


def test_what_was_typed_is_passed_on_and_the_best_stands_first(told: list[Any], tmp_path: Path) -> None:
    words = ["a/b", "--gates", "3", "--answers", "2", "--out", str(tmp_path)]
    shown = run(*words).stdout
    assert told == [("a/b", "neuron", None, {"out": tmp_path, "gates": 3, "answers": 2})]
    lines = [line for line in shown.splitlines() if line.startswith("| layer")]
    assert [line.split("|")[1].strip() for line in lines] == [
        "layer 3, threshold 0 ← chosen",
        "layer 2, threshold 0 (defaults)",
        "layer 1, threshold 0",
    ]
    assert "0.75" in lines[0]
    assert "0.0123" in lines[0]
    assert "neuron on tiny: layer 3, threshold 0." in shown
    assert "x.json" in shown


def test_by_default_a_search_has_a_folder_of_its_models_name(told: list[Any]) -> None:
    assert json.loads(run("./models/my model", "--json").stdout)["settings"] == {"layer": 3, "threshold": 0.0}
    assert told[0][-1]["out"] == Path("out/calibrate-neuron-models-my-model")


def test_what_cannot_be_calibrated_is_explained_before_a_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ClusterEditor, "trials", {})
    said = run("nowhere", "--editor", "cluster", expect=1).output
    assert "cannot be calibrated" in said
    assert "neuron-plain" in said
    assert "neuron" in run("nowhere", "--editor", "neurom", expect=1).output
