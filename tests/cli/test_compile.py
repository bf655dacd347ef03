"""compile: what it will cost first, then everybody, a manifest, and how to go on."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monogram.store.ledger import Ledger
from tests.cli.program import COMMAND, Run, environment
from tests.cli.terminal import terminal
from tests.compiled import Compiler

ROWS = (
    '{"user": "alice", "preferences": [{"attribute": "hobby", "target": "Hiking"}]}\n'
    '{"user": "bob", "said": "I love tea, and I live in Rome."}\n'
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.jsonl"
    path.write_text(ROWS, encoding="utf-8")
    return path


def manifest(file: Path) -> list[dict[str, Any]]:
    text = file.with_name(f"{file.name}.manifest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_people_go_from_a_file_into_a_store_that_can_be_used(run: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    told = run("compile", str(file), "--out", str(out), "--yes")
    assert "2 people, 3 preferences, to compile into" in told.stderr
    assert "by 1 worker: 60 s to 3 minutes." in told.stderr
    assert "2 compiled, 0 unchanged, 0 refused, 0 failed" in told.stdout
    assert [line["user"] for line in manifest(file)] == ["alice", "bob"]
    assert Ledger(out / "ledger.sqlite3").users() == ("alice", "bob")
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()
    assert (
        json.loads(run("list", "bob", "--home", str(out), "--json").stdout)["preferences"][1]["target"]
        == "Rome"
    )
    assert (
        run("ask", "alice", "What is my hobby?", "--home", str(out), "--max-new-tokens", "2").exit_code == 0
    )
    assert Ledger(out / "ledger.sqlite3").head("alice") == 1, "asking found the adapter that was compiled"


def test_again_nothing_is_asked_and_nothing_is_done(run: Run, file: Path, compiler: Compiler) -> None:
    run("compile", str(file), "--yes")
    told = json.loads(run("compile", str(file), "--json").stdout)
    assert (told["people"], told["compiled"], told["unchanged"], told["problems"]) == (2, 0, 2, [])
    assert len(compiler.calls) == 2


def test_to_see_that_nothing_is_to_do_no_model_is_loaded(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("compile", str(file), "--yes")
    monkeypatch.setattr("monogram.models.editable.read", None)
    assert "2 unchanged" in run("compile", str(file)).stdout


def test_without_a_yes_and_with_a_dry_run_nothing_is_changed(run: Run, file: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    dry = run("compile", str(file), "--dry-run", "--out", str(tmp_path / "store"))
    assert "2 people, 3 preferences" in dry.stdout
    told = json.loads(run("compile", str(file), "--dry-run", "--json").stdout)
    assert (told["people"], told["preferences"], told["dry_run"]) == (2, 3, True)
    asked = run("compile", str(file), expect=1)
    assert "Say --yes to go on. Nothing was changed." in asked.stderr
    left = {path.name for path in tmp_path.iterdir()} - {path.name for path in before}
    assert left <= {"home", ".people.jsonl.manifest.jsonl.lock"}
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()


def test_what_fails_is_shown_and_the_exit_code_says_so(run: Run, file: Path) -> None:
    more = '{"user": "zoe", "preferences": [{"attribute": "hobby", "target": "Harm"}]}\n{"user": "yan"}\n'
    file.write_text(ROWS + more, encoding="utf-8")
    told = run("compile", str(file), "--yes", expect=1)
    assert "Beside them: 1 in rows that make no sense." in told.stderr
    assert "2 compiled, 0 unchanged, 1 refused, 1 failed" in told.stdout
    said = json.loads(run("compile", str(file), "--json", expect=1).stdout)
    assert [(p["user"], p["lines"], p["status"]) for p in said["problems"]] == [
        ("zoe", [3], "refused"),
        ("yan", [4], "failed"),
    ]
    assert "1 refused before (--again tries them)" in run("compile", str(file), "--dry-run").stdout


def test_after_the_first_few_it_is_said_how_long_the_others_take(run: Run, file: Path) -> None:
    rows = [{"user": f"u{n}", "said": "I love tea."} for n in range(6)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    told = run("compile", str(file), "--yes").stderr
    assert "s a person; about" in told
    assert "for the 2 that are left." in told
    assert "as those before took" in run("compile", str(file), "--editor", "memit", "--dry-run").stdout


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["--workers", "2"], "are for --engine ray", 2),
        (["--engine", "spark"], "'spark' is not one of", 2),
        (["--editor", "neuro"], "Did you mean 'neuron'", 1),
        (["--out", "people.jsonl"], "--out names the folder", 1),
        (["--manifest", "."], "--manifest names a file", 1),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str, code: int
) -> None:
    monkeypatch.chdir(file.parent)
    told = run("compile", "people.jsonl", *words, expect=code)
    assert says in " ".join(told.stderr.replace("│", " ").split())


def test_without_ray_it_is_said_what_to_install(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = run("compile", str(file), "--engine", "ray", "--yes", expect=1).stderr
    assert "pip install 'monogram[ray]'" in told
    assert "--engine local" in told


@pytest.fixture
def many(file: Path) -> Path:
    rows = [{"user": f"user-{n:03d}", "said": "I love tea."} for n in range(60)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


@pytest.mark.slow  # a process that has torch to load, three times
def test_ctrl_c_says_how_to_go_on_and_then_it_goes_on(many: Path, folder: str, tmp_path: Path) -> None:
    command = [*COMMAND, "compile", str(many), "--model", folder, "--yes"]
    told = environment(tmp_path / "home")
    with terminal(command, told) as seen:
        seen.until("compiling people")
        seen.until(re.compile(r"\b[1-9]\d?/60"))  # whichever number the bar shows first
        seen.type("\x03")
        assert seen.ended(60) == 130, seen.shown
        assert "Run the same command again to go on." in seen.shown
        assert "Traceback" not in seen.shown
    done = len(Ledger(tmp_path / "home" / "ledger.sqlite3").users())
    assert len(manifest(many)) in (done, done - 1), "a line is written right after somebody is kept"
    assert 0 < done < 60
    with subprocess.Popen(command, env=told, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert f"{60 - done} people" in process.stderr.readline()
        assert "s a person" in process.stderr.readline()
        process.send_signal(signal.SIGKILL)
    last = subprocess.run(
        [*command, "--json"], env=told, capture_output=True, text=True, timeout=300, check=True
    )
    assert last.stderr == ""
    assert [line["user"] for line in manifest(many)] == [f"user-{n:03d}" for n in range(60)]
    ledger = Ledger(tmp_path / "home" / "ledger.sqlite3")
    assert [ledger.head(user) for user in ledger.users()] == [1] * 60
    assert os.listdir(tmp_path / "home") != []
