"""The task as `monogram bench` calls it, over the project's own questions or a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram import scoring
from monogram.bench.probes import put_to_assistant
from monogram.bench.upqa import command_line, own_items, task
from monogram.clusters.table import table
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.records import ALL, HIKER, written


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    em = tiny.editable(max_position_embeddings=1024)
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: {"tiny": em}[name])
    few: dict[str, Any] = {"model": "tiny", "limit": None, "per_attribute": None, "seed": 3, "progress": None}
    return few | {"methods": "none"}


def test_a_file_is_run_and_its_table_shown(tmp_path: Path, told: dict[str, Any]) -> None:
    out = tmp_path / "out"
    summary = task.run(data=written(tmp_path, ALL), out=out, **(told | {"limit": 1}))
    assert json.loads((out / "summary.json").read_text()) == summary
    run = json.loads((out / "run.json").read_text())["run"]
    assert run["command"] == "monogram bench upqa --data items.json --methods none --model tiny --limit 1"
    assert run["seed"] == 3
    assert "crosstalk" in task.table(summary)


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


def test_the_projects_own_items_can_all_be_scored() -> None:
    file = own_items()
    assert len(file.items) == 24
    assert len({item.attribute for item in file.items}) == 8
    for item in file.items:
        assert table().find(item.attribute) is not None
        assert not put_to_assistant(item.implicit)
        for question in (item.direct, item.paraphrased, item.implicit, item.product):
            assert scoring.telling(item.target, question, item.attribute)


def test_own_questions_do_not_give_the_answer_away() -> None:
    for item in own_items().items:
        for question in (item.direct, item.paraphrased, item.implicit, item.product):
            assert not scoring.recall(item.target, question, question="", attribute="")
