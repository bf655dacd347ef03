"""Further scorers mark a finished run's answers: kept, gone on with, and an error is never a verdict."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monogram.bench import rescore
from monogram.bench.report.page import write
from monogram.bench.runner import run
from monogram.bench.scorers.marks import FILE
from monogram.cli.app import app
from monogram.errors import InputError, UnknownNameError
from monogram.models.sentences import SentenceEncoder
from tests import tiny
from tests.bench.fakes import Answering, always, order
from tests.clusters.standin import KEY, MODEL, Answer, Body, StandIn, running
from tests.clusters.test_nearest import Bag

pytest.importorskip("openai", reason="the extra `llm` is not installed")

UPQA = 2 * 4  # two items, four questions, one method
JUDGE = f"judge:{MODEL}"


def says(body: Body) -> Answer:
    """A judge that likes direct questions alone."""
    asked = json.loads(body["messages"][1]["content"])["question"]
    return f'{{"verdict": "{"yes" if asked.startswith("What") else "no"}"}}'


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    em = tiny.editable(max_position_embeddings=1024)
    knows = Answering("knows", lambda fact, question: f"{question} It is {fact.preference.target}.")
    run(em, order(folder, "upqa"), always(knows), folder / "out")
    return folder / "out"


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out"))


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONOGRAM_LLM_MODEL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(SentenceEncoder, "load", lambda **_: Bag())


@pytest.fixture
def server() -> Iterator[StandIn]:
    with running(by=says) as stand:
        yield stand


def cli(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["bench", "score", *words])
    assert result.exit_code == expect, result.output
    return result


def judged(place: Path, stand: StandIn, *words: str, expect: int = 0) -> Result:
    told = ["--scorers", "judge", "--llm", MODEL, "--base-url", stand.url, "--retries", "0"]
    return cli(str(place), *told, *words, expect=expect)


def figures(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "summary.json").read_text())["knows"]
    return found


def test_marks_become_columns_and_nothing_else_changes(place: Path) -> None:
    before = figures(place)
    raw = (place / "raw.jsonl").read_bytes()
    told = json.loads(cli(str(place), "--json").stdout)["out"]
    after = figures(place)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {f"similar_{kind}" for kind in told_kinds(before)}
    assert (place / "raw.jsonl").read_bytes() == raw
    assert told["answers"] == UPQA
    assert told["agreement"]["recall, similar"]["raw"]["n"] == UPQA
    assert "similar: direct" in (place / "summary.md").read_text()
    assert "recall and similar" in (place / "summary.md").read_text()


def told_kinds(found: dict[str, Any]) -> list[str]:
    return [name.removeprefix("contains_") for name in found if name.startswith("contains_")]


def test_a_judge_is_paid_once_and_its_cost_is_said_first(place: Path, server: StandIn) -> None:
    refused = judged(place, server, expect=1)
    assert f"This asks {MODEL} at {server.url}/ {UPQA} times: about" in refused.stderr
    assert server.asked == []
    judged(place, server, "--yes")
    assert len(server.asked) == UPQA
    assert figures(place)[f"{JUDGE}_direct"]["value"] == 1.0
    again = judged(place, server)  # nothing is left to ask, so nobody is asked
    assert len(server.asked) == UPQA
    assert "Asked 0 times" in again.stdout


def test_an_error_is_counted_never_a_verdict_and_tried_again(place: Path, server: StandIn) -> None:
    with running(by=lambda body: "Who knows?" if "Sunday" in str(body) else says(body)) as muddled:
        result = judged(place, muddled, "--yes", expect=1)
    assert f"{JUDGE}: 1 error, no verdict" in result.stderr
    assert figures(place)[f"{JUDGE}_implicit"] is not None
    counted = sum(f["n"] for name, f in figures(place).items() if name.startswith(JUDGE))
    assert counted == UPQA - 1
    page = write([place])[0].read_text()
    assert "1 errors, which are no verdicts" in page
    assert JUDGE in page
    judged(place, server, "--yes")
    assert len(server.asked) == 1
    assert sum(f["n"] for name, f in figures(place).items() if name.startswith(JUDGE)) == UPQA


def test_scores_that_a_kill_cut_are_gone_on_with(place: Path) -> None:
    cli(str(place))
    whole = (place / FILE).read_bytes()
    (place / FILE).write_bytes(whole[: len(whole) // 2])
    cli(str(place))
    assert sorted((place / FILE).read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_mark_never_meets_another_answer(place: Path) -> None:
    cli(str(place))
    text = (place / "raw.jsonl").read_text(encoding="utf-8")
    (place / "raw.jsonl").write_text(text.replace("It is ", "It was "), encoding="utf-8")
    found = json.loads(cli(str(place), "--json").stdout)["out"]
    assert found["agreement"]["recall, similar"]["raw"]["n"] == UPQA
    assert len((place / FILE).read_text().splitlines()) == 2 * UPQA


def test_what_cannot_be_scored_is_said(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'similar'"):
        rescore.named(["similr"])
    with pytest.raises(InputError, match="No scorer was named"):
        rescore.named([])
    assert "holds no run" in cli(str(tmp_path / "nowhere"), expect=1).stderr
    (place / "run.json").unlink()
    assert "has not ended" in cli(str(place), expect=1).stderr
    assert "Unknown scorer" in cli(str(place), "--scorers", "judg", expect=1).stderr


def test_a_report_from_the_command_line(place: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "report", str(place), "--json"])
    assert json.loads(result.stdout) == {"files": [str(place / f"report.{end}") for end in ("html", "md")]}
    assert (place / "report.html").stat().st_size > 10_000
    wrong = CliRunner().invoke(app, ["bench", "report", str(place.parent / "nowhere")])
    assert wrong.exit_code == 1
    assert "holds no run" in wrong.stderr
