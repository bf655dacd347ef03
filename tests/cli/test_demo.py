"""demo shows both answers side by side and keeps nothing of Robin."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from monogram.cli import demo
from monogram.cli.app import app
from monogram.clusters.table import table
from monogram.errors import EditRefusedError
from tests import tiny
from tests.compiled import installed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    installed(monkeypatch)
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    tiny.model(dtype=torch.float32).save_pretrained(tmp_path / "model")
    tiny.tokenizer().save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def run(folder: str, *words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["demo", "--model", folder, "--max-new-tokens", "6", *words])
    assert result.exit_code == expect, result.output
    return result


def test_both_answers_stand_side_by_side_with_what_it_cost(folder: str, tmp_path: Path) -> None:
    shown = run(folder).stdout
    for part in ("base model", "Robin's model", "What is my hobby?", "KB for Robin", "unchanged to the bit"):
        assert part in shown
    assert "0 prompt tokens" in shown
    assert "monogram add me" in shown
    assert not (tmp_path / "home").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_json_has_the_same(folder: str) -> None:
    result = run(folder, "--json")
    assert result.stderr == ""
    told: dict[str, Any] = json.loads(result.stdout)
    assert [row["kind"] for row in told["answers"]] == [kind for kind, _ in demo.QUESTIONS]
    assert any(row["base"] != row["personalised"] for row in told["answers"])
    assert (told["cost"]["prompt_tokens"], told["cost"]["rank"]) == (0, 2)
    assert told["cost"]["base_unchanged"] is True


def test_robins_attributes_are_in_the_table() -> None:
    assert all(table().find(attribute) is not None for attribute, _ in demo.ROBIN)


def test_a_refused_edit_is_explained(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise EditRefusedError("It would leak.")

    monkeypatch.setattr("monogram.keeping.compile_monogram", refuse)
    assert run(folder, expect=1).stderr.splitlines()[-1] == "Error: It would leak."
