"""`data build`: the cost first, a yes, items and refusals; stopped, it goes on to the same file."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monogram.bench.items import load_items
from monogram.cli import shared
from monogram.cli.app import app
from monogram.journal import Journal
from tests.cli.program import environment
from tests.clusters.standin import KEY, MODEL, Answer, Body, StandIn, running
from tests.dataset.answers import FACTS, good, item, statement

pytest.importorskip("openai", reason="the extra `llm` is not installed")

REAL = [sys.executable, "-c", "from monogram.cli import main; main()"]
MANY = [f"I like number {n} best of all." for n in range(24)]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONOGRAM_LLM_MODEL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with running(by=good) as stand:
        yield stand


@pytest.fixture
def said(tmp_path: Path) -> Path:
    path = tmp_path / "personas.csv"
    cells = "\n".join(FACTS)
    path.write_text(f'user 1 personas,user 2 personas\n"{cells}","I love pottery.\nI am."\n')
    return path


def run(stand: StandIn, said: Path, *words: str, expect: int = 0) -> Result:
    told = ["data", "build", str(said), "--llm", MODEL, "--base-url", stand.url]
    result = CliRunner().invoke(app, [*told, "--out", str(said.with_name("items.json")), *words])
    assert result.exit_code == expect, result.output
    return result


def test_people_see_what_it_costs_what_was_refused_and_where_it_is(server: StandIn, said: Path) -> None:
    result = run(server, said, "--yes")
    assert f"This asks {MODEL} at {server.url}/ 6 times: about" in result.stderr
    assert "1 double, 1 unreadable" in result.stdout
    assert "Said twice in the file, and asked once: 1" in result.stdout
    assert "Asked 6 times," in result.stdout
    assert f"5 items: {said.with_name('items.json')}" in result.stdout
    assert len(load_items(said.with_name("items.json")).items) == 5


def test_machines_get_one_object(server: StandIn, said: Path) -> None:
    told = json.loads(run(server, said, "--yes", "--json", "--limit", "3", "--clusters", "2").stdout)
    assert (told["items"], told["repeated"], told["failed"]) == (2, 1, [])
    assert told["refused"]["kinds"] == {"double": 1, "unreadable": 1}
    assert told["spent"]["calls"] == len(server.asked) == 3
    assert told["spent"]["prompt_tokens"] > 100
    assert load_items(Path(told["out"])).items[0].targets[-1] == "Pottery"


def test_without_a_yes_nothing_is_asked_and_nothing_is_there(
    server: StandIn, said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Say --yes to go on" in run(server, said, expect=1).stderr
    monkeypatch.setattr(shared, "interactive", lambda: True)
    told = ["data", "build", str(said), "--llm", MODEL, "--base-url", server.url]
    result = CliRunner().invoke(app, [*told, "--out", str(said.with_name("items.json"))], input="n\n")
    assert result.exit_code == 1
    assert server.asked == []
    assert [path.name for path in said.parent.iterdir() if not path.name.startswith(".")] == [said.name]


def test_done_once_it_costs_nothing_and_needs_no_yes(server: StandIn, said: Path) -> None:
    run(server, said, "--yes")
    before = said.with_name("items.json").read_bytes()
    assert "Asked 0 times" in run(server, said).stdout
    assert said.with_name("items.json").read_bytes() == before
    assert len(server.asked) == 6


def test_what_could_not_be_asked_is_exit_code_1(said: Path) -> None:
    def one_busy(body: Body) -> Answer:
        return (503, "{}") if statement(body) == "I live in Turku." else good(body)

    with running(by=one_busy) as stand:
        result = run(stand, said, "--yes", "--retries", "0", expect=1)
    assert "1 could not be asked" in result.stderr
    assert "Run the same command to try again" in result.stderr
    assert len(load_items(said.with_name("items.json")).items) == 4


def test_bad_wishes_are_one_clear_line(server: StandIn, said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(said.parent)
    assert "Set MONOGRAM_LLM_MODEL" in CliRunner().invoke(app, ["data", "build", str(said)]).stderr
    assert list(said.parent.iterdir()) == [said]  # nothing begun, no lock left
    result = run(server, said, "--yes", "--out", str(said.parent), expect=1)
    assert "is a folder; --out names a file" in result.stderr
    run(server, said, "--clusters", "-1", expect=2)


def slowly(body: Body) -> Answer:
    """Fast enough for a test, slow enough to be stopped in the middle."""
    time.sleep(0.15)
    return item("lucky number", statement(body).split()[3], "likes")


def wish(stand: StandIn, folder: Path) -> list[str]:
    said = folder / "said.txt"
    said.write_text("\n".join(MANY))
    told = ["data", "build", str(said), "--llm", MODEL, "--base-url", stand.url, "--yes", "--at-once", "2"]
    return [*told, "--out", str(folder / "items.json")]


def answered(folder: Path) -> int:
    path = folder / "items.json.answers.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow  # a real process that is stopped in the middle, and gone on with
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_gone_on_with_it_makes_the_same_file(tmp_path: Path, how: signal.Signals) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    with running(by=slowly) as stand:
        assert CliRunner().invoke(app, wish(stand, whole)).exit_code == 0
        environ = environment(tmp_path / "home", OPENAI_API_KEY=KEY)
        with subprocess.Popen(
            [*REAL, *wish(stand, broken)], env=environ, stderr=subprocess.PIPE, text=True
        ) as process:
            while answered(broken) < 6:
                time.sleep(0.01)
                assert process.poll() is None
            process.send_signal(how)
            _, shown = process.communicate(timeout=120)
        if how is signal.SIGINT:
            assert process.returncode == 130, shown
            assert shown.splitlines()[-1].startswith("Interrupted. What was finished is kept")
        assert not (broken / "items.json").exists()
        assert 6 <= answered(broken) < len(MANY)
        result = CliRunner().invoke(app, wish(stand, broken))
        assert "are answered already" in result.stderr
        lost = 0 if how is signal.SIGINT else 2  # a kill loses what is under way; Ctrl-C waits for it
        assert len(stand.asked) <= 2 * len(MANY) + lost
    for name in ("items.json", "items.json.refused.jsonl"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert len(load_items(broken / "items.json").items) == len(MANY)


def test_two_runs_never_pay_for_the_same(server: StandIn, said: Path) -> None:
    with Journal(said.with_name("items.json.answers.jsonl")):
        assert "Another run is writing to" in run(server, said, "--yes", expect=1).stderr
    assert server.asked == []
