"""bench finds its door as a plugin would be found, and passes on what was typed."""

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monogram.bench import door
from monogram.cli.app import app
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.records import HIKER, written


class Door:
    """Says what it was told."""

    @staticmethod
    def bench(tasks: Sequence[str], **told: Any) -> dict[str, Any]:
        if told["methods"] == ["nothing"]:
            raise InputError("No such method.")
        plain = {name: value for name, value in told.items() if name != "progress"}
        return {"tasks": list(tasks), "home": os.environ.get("MONOGRAM_HOME"), **plain}

    @staticmethod
    def shown(tasks: Sequence[str], models: Sequence[str], summary: Mapping[str, Any], out: Path) -> str:
        return f"| methods |\n| {','.join(summary['methods'])} |"


def run(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == expect, result.output
    return result


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("bench", "x:door", "monogram.doors")]
    monkeypatch.setattr(EntryPoint, "load", lambda self: Door)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda **chosen: EntryPoints(points).select(**chosen)
    )


@pytest.mark.usefixtures("told")
def test_what_was_typed_reaches_the_benchmark(tmp_path: Path) -> None:
    words = ["--data", "x.json", "--data", "y", "--methods", "none,neuron", "--per-attribute", "4"]
    words += ["--split", "test", "--set", "memit.synonyms=3", "--set", "grace.preset=paper"]
    words += ["--models", "a,b", "--seeds", "0,1", "--protocol", "paper", "--out", str(tmp_path)]
    found = json.loads(run("upqa,leak", *words, "--home", str(tmp_path), "--json").stdout)
    assert found == {
        "tasks": ["upqa", "leak"],
        "home": str(tmp_path),
        "data": ["x.json", "y"],
        "settings": ["memit.synonyms=3", "grace.preset=paper"],
        "methods": ["none", "neuron"],
        "models": ["a", "b"],
        "limit": None,
        "split": "test",
        "per_attribute": 4,
        "seeds": [0, 1],
        "protocol": "paper",
        "out": str(tmp_path),
    }
    assert os.environ.get("MONOGRAM_HOME") != str(tmp_path)


@pytest.mark.usefixtures("told")
def test_people_see_the_table_and_where_the_rest_is(tmp_path: Path) -> None:
    shown = run("upqa", "--out", str(tmp_path)).stdout
    assert "| methods |\n| none,neuron |" in shown
    assert str(tmp_path) in shown
    assert "| neuron,neuron-plain |" in run("cost", "--out", str(tmp_path)).stdout


@pytest.mark.usefixtures("told")
def test_trouble_is_explained() -> None:
    assert run("upqa", "--methods", "nothing", expect=1).stderr == "Error: No such method.\n"
    run("upqa", "--limit", "3", "--per-attribute", "4", expect=2)
    assert "whole numbers" in run("upqa", "--seeds", "0,x", expect=2).stderr


def test_unknown_names_and_bad_records_are_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out"), "--model", "never loaded"]
    assert "Unknown task 'upqaa'. Did you mean 'upqa'?" in run("upqaa", *out, expect=1).stderr
    assert "Did you mean 'reminder'" in run("upqa", "--methods", "remainder", *out, expect=1).stderr
    assert "Did you mean 'paper'" in run("upqa", "--protocol", "papers", *out, expect=1).stderr
    bad = written(tmp_path, [{**HIKER, "target": 3}])
    assert "record 0: the field 'target'" in run("upqa", "--data", str(bad), *out, expect=1).stderr
    assert not (tmp_path / "out").exists()


def test_a_run_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable(max_position_embeddings=1024)
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: {"tiny": em}[name])
    monkeypatch.setattr("monogram.bench.protocol.LONGEST", 2)
    words = ["--data", str(written(tmp_path)), "--methods", "none", "--model", "tiny", "--limit", "1"]
    summary = json.loads(run("leak", *words, "--out", str(tmp_path / "out"), "--json").stdout)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert summary["none"]["leak"]["n"] == 3
    told = json.loads((tmp_path / "out" / "run.json").read_text())["run"]["command"]
    assert told.startswith("monogram bench leak --data items.json --methods none --models tiny --limit 1")
    assert "leak" in door.shown(["leak"], ["tiny"], summary, tmp_path / "out")


def test_what_could_not_be_asked_is_told_in_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = tiny.editable(max_position_embeddings=1024)
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: {"tiny": em}[name])
    monkeypatch.setattr("monogram.bench.protocol.LONGEST", 2)
    words = ["--data", str(written(tmp_path)), "--methods", "none", "--limit", "1"]
    told = run("leak,prefeval-choice", *words, "--model", "tiny", "--out", str(tmp_path / "out")).stdout
    assert "Not run: prefeval-choice: There are no options in PrefEval's format" in told
    alone = run(
        "prefeval-choice", *words, "--model", "never loaded", "--out", str(tmp_path / "alone"), expect=1
    )
    assert "There is nothing to ask. prefeval-choice: There are no options in" in alone.stderr
    assert not (tmp_path / "alone").exists()
