"""The task as `monogram bench` calls it, over the project's own questions or a file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.upqa import command_line, task
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.records import ALL, HIKER, written


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    em = tiny.editable(max_position_embeddings=1024)
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: {"tiny": em}[name])
    few: dict[str, Any] = {"model": "tiny", "limit": None, "per_attribute": None, "seed": 3, "progress": None}
    return few | {"methods": "none", "split": None}


def test_a_file_is_run_and_its_table_shown(tmp_path: Path, told: dict[str, Any]) -> None:
    out = tmp_path / "out"
    summary = task.run(data=written(tmp_path, ALL), out=out, **(told | {"limit": 1}))
    assert json.loads((out / "summary.json").read_text()) == summary
    run = json.loads((out / "run.json").read_text())["run"]
    assert run["command"] == "monogram bench upqa --data items.json --methods none --model tiny --limit 1"
    assert run["seed"] == 3
    assert "crosstalk" in task.table(summary)


@pytest.mark.parametrize(("split", "file"), [(None, "own-development"), ("test", "own-test")])
def test_without_a_file_a_split_of_the_projects_own_people_is_run(
    tmp_path: Path, told: dict[str, Any], split: str | None, file: str
) -> None:
    task.run(data=None, out=tmp_path, **(told | {"split": split, "limit": 1}))
    run = json.loads((tmp_path / "run.json").read_text())["run"]
    assert run["data"]["file"] == file
    assert f"--split {file.removeprefix('own-')} --methods" in run["command"]
    kinds = Counter(json.loads(line)["kind"] for line in (tmp_path / "raw.jsonl").read_text().splitlines())
    assert (kinds["direct"], kinds["leak"], kinds["crosstalk"]) == (1, 2, 9)


def test_a_file_and_a_split_exclude_each_other(tmp_path: Path, told: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="give one"):
        task.run(data=written(tmp_path), out=tmp_path / "out", **(told | {"split": "test"}))
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        task.run(data=None, out=tmp_path / "out", **(told | {"split": "tests"}))


def test_bad_files_and_names_are_refused_before_a_model_is_loaded(
    tmp_path: Path, told: dict[str, Any]
) -> None:
    told["model"] = "never loaded"
    with pytest.raises(InputError, match="record 0: the field 'target'"):
        task.run(data=written(tmp_path, [{**HIKER, "target": 3}]), out=tmp_path / "out", **told)
    with pytest.raises(UnknownNameError, match="Did you mean 'reminder'"):
        task.run(data=None, out=tmp_path / "out", **(told | {"methods": "none,remainder"}))
    assert not (tmp_path / "out").exists()


def test_a_command_is_told_as_it_could_be_typed() -> None:
    shown = command_line("upqa", data="my items.json", per_attribute=4, limit=None)
    assert shown == "monogram bench upqa --data 'my items.json' --per-attribute 4"
