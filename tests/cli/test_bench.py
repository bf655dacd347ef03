"""bench finds its tasks as a plugin's would be found, and passes on what was typed."""

import json
import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monogram.cli.app import app
from monogram.errors import InputError


class Task:
    name, help = "echo", "Says what it was told."

    def run(self, **told: Any) -> dict[str, Any]:
        if told["methods"] == "nothing":
            raise InputError("No such method.")
        if told["progress"] is not None:
            told["progress"]("echo", 1, 1)
        return {"home": os.environ.get("MONOGRAM_HOME"), **{k: v for k, v in told.items() if k != "progress"}}

    def table(self, summary: Mapping[str, Any]) -> str:
        return f"| methods |\n| {summary['methods']} |"


task = Task()


@pytest.fixture(autouse=True)
def points(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "monogram.tasks"
    found = [EntryPoint("echo", "x:task", group), EntryPoint("upqa", "monogram.no_such_room:task", group)]
    monkeypatch.setattr(EntryPoint, "load", lambda self: task if self.name == "echo" else _broken())
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: EntryPoints(found))


def _broken() -> None:
    raise ImportError("No module named 'monogram.no_such_room'")


def run(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == expect, result.output
    return result


def test_what_was_typed_reaches_the_task(tmp_path: Path) -> None:
    words = ["--data", "x.json", "--split", "test", "--methods", "none,neuron", "--per-attribute", "4"]
    words += ["--out", str(tmp_path)]
    told = json.loads(run("echo", *words, "--home", str(tmp_path), "--json").stdout)
    assert told == {
        "home": str(tmp_path),
        "data": "x.json",
        "split": "test",
        "methods": "none,neuron",
        "model": "smollm2",
        "limit": None,
        "per_attribute": 4,
        "out": str(tmp_path),
        "seed": 0,
    }
    assert os.environ.get("MONOGRAM_HOME") != str(tmp_path)


def test_people_see_the_table(tmp_path: Path) -> None:
    shown = run("echo", "--out", str(tmp_path)).stdout
    assert "| methods |\n| none,neuron |" in shown
    assert str(tmp_path) in shown


def test_an_unknown_task_is_asked_about() -> None:
    assert "Unknown task 'upqaa'. Did you mean 'upqa'?" in run("upqaa", expect=1).stderr


def test_a_task_that_cannot_be_loaded_or_run_is_explained() -> None:
    assert "cannot be loaded" in run("upqa", expect=1).stderr
    assert run("echo", "--methods", "nothing", expect=1).stderr == "Error: No such method.\n"


def test_limits_exclude_each_other() -> None:
    run("echo", "--limit", "3", "--per-attribute", "4", expect=2)
