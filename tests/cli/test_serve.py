"""Where the server's options come from: the command, then the environment, then a file, then the defaults."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from monogram.cli import serve
from monogram.cli.app import app


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the service is told, by name."""
    told: dict[str, Any] = {}

    def prepare(model: str, **more: Any) -> Any:
        told.update(more.pop("settings"), model=model, **more)
        return SimpleNamespace(url="http://127.0.0.1:1", run=lambda ready: ready())

    door = SimpleNamespace(Settings=dict, prepare=prepare)
    monkeypatch.setattr(serve, "the_door", lambda _: door)
    return told


def run(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["serve", *words])
    assert result.exit_code == expect, result.output
    return result


def test_the_command_counts_before_the_environment_before_the_file(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('port = 9000\nrows = 8\nqueue = 9\nopen = true\nhost = "0.0.0.0"\n')
    monkeypatch.setenv("MONOGRAM_SERVE_ROWS", "16")
    monkeypatch.setenv("MONOGRAM_SERVE_QUEUE", "17")
    run("--config", str(file), "--queue", "32")
    assert (asked["port"], asked["rows"], asked["queue"]) == (9000, 16, 32)
    assert (asked["everybody"], asked["host"], asked["model"]) == (True, "0.0.0.0", "smollm2")
    monkeypatch.setenv("MONOGRAM_SERVE_CONFIG", str(file))
    run("--port", "1")
    assert (asked["port"], asked["rows"]) == (1, 16)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 9000", "says prot, which is no option. There are: engine, home, host, memory, model"),
        ("config = 'x'", "says config, which is no option"),
        ("port = 'many'", "valid integer"),
        ("port = 99999", "less than or equal to 65535"),
        ("port 9000", "cannot be read"),
    ],
)
def test_a_file_that_says_nonsense_is_told(
    asked: dict[str, Any], tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)
    shown = " ".join(run("--config", str(file), expect=2).output.replace("│", " ").split())
    assert says in shown
    assert not asked


def test_a_file_that_is_not_there_is_told(asked: dict[str, Any], tmp_path: Path) -> None:
    assert "cannot be read" in run("--config", str(tmp_path / "none.toml"), expect=2).output.replace(
        "\n", " "
    )
    assert not asked


def test_vllm_servers_come_from_the_command_the_environment_or_the_file(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "sesame")
    run("--engine", "vllm", "--upstream", "http://a:1", "--upstream", "http://b:2")
    assert asked["upstreams"] == ("http://a:1", "http://b:2")
    assert asked["upstream_key"] == "sesame"
    monkeypatch.setenv("MONOGRAM_SERVE_UPSTREAM", "http://c:3 http://d:4")
    run("--engine", "vllm")
    assert asked["upstreams"] == ("http://c:3", "http://d:4")
    monkeypatch.delenv("MONOGRAM_SERVE_UPSTREAM")
    file = tmp_path / "server.toml"
    file.write_text('engine = "vllm"\nupstream = ["http://e:5"]\n')
    run("--config", str(file))
    assert asked["upstreams"] == ("http://e:5",)


def test_an_engine_without_servers_and_servers_without_an_engine_are_refused(asked: dict[str, Any]) -> None:
    assert "go together" in run("--engine", "vllm", expect=2).output
    assert "go together" in run("--upstream", "http://a:1", expect=2).output
    assert not asked
