"""Tab completes people, what is true of them, attributes and models, in each shell, quickly and safely."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monogram.preferences import Preference
from monogram.store.ledger import Draft, Ledger
from tests.cli.program import environment
from tests.cli.terminal import terminal

PROGRAM = f"#!{sys.executable}\nimport sys\nfrom monogram.cli import main\nmain()\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "home" / "ledger.sqlite3")
    draft = Draft("tiny", "0" * 64)
    held = [Preference("hobby", "Hiking"), Preference("pet", "a cat"), Preference("motto", "$(touch hit)")]
    ledger.commit("alice", [("added", p) for p in held], draft, after=0)
    for name in ("alan", "bob", "al; rm x", "al'x", "-al", "al(x)"):
        ledger.commit(name, [("added", held[0])], draft, after=0)
    chess, newt = Preference("hobby", "Chess"), Preference("pet", "a newt")
    ledger.commit("dora", [("added", chess)], draft, after=0)
    ledger.commit("dora", [("added", newt)], draft, after=1)
    ledger.commit("dora", [("forgotten", newt)], draft, after=2)
    return tmp_path / "home"


@pytest.fixture
def told(tmp_path: Path, home: Path) -> dict[str, str]:
    """An environment with the program on the PATH."""
    program = tmp_path / "bin" / "monogram"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return environment(home, PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}", HOME=str(tmp_path))


def completed(told: dict[str, str], line: str) -> list[str]:
    """What bash would be given for a line."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_MONOGRAM_COMPLETE": "complete_bash"}
    run = subprocess.run(["monogram"], capture_output=True, text=True, env={**told, **asked}, timeout=60)
    assert run.stderr == ""
    return [word for word in run.stdout.splitlines() if word]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("monogram ask al", ["alan", "alice"]),
        ("monogram chat b", ["bob"]),
        ("monogram list ", ["alan", "alice", "bob", "dora"]),
        ("monogram forget alice ", ["hobby", "Hiking", "pet", "a\\ cat", "motto"]),
        ("monogram forget bob h", ["hobby"]),
        ("monogram forget dora ", ["hobby", "Chess"]),
        ("monogram erase dora ", ["hobby", "Chess", "pet", "a\\ newt"]),
        ("monogram rollback dora ", ["2", "1"]),
        ("monogram verify b", ["bob"]),
        ("monogram history b", ["bob"]),
        ("monogram add alice --polarity a", ["avoids"]),
        ("monogram add alice --attribute hob", ["hobby"]),
        ("monogram add alice --editor rome", ["rome", "rome-sequential"]),
        ("monogram export alice --to ", ["peft", "gguf", "ollama", "merged", "yaml"]),
        ("monogram import x.yaml --from m", ["mem0"]),
        ("monogram import x.yaml --user b", ["bob"]),
        ("monogram ask alice --model s", ["smollm2"]),
        ("monogram model info ", ["smollm2"]),
        ("monogram bench u", ["upqa"]),
        ("monogram bench re", ["report", "retention"]),
        ("monogram bench upqa --split d", ["development"]),
        ("monogram bench score x --scorers j", ["judge"]),
        ("monogram cha", ["chat"]),
    ],
)
def test_a_line_that_was_begun_is_completed(told: dict[str, str], line: str, found: list[str]) -> None:
    assert completed(told, line) == found


def test_another_home_on_the_line_is_looked_into(told: dict[str, str], tmp_path: Path) -> None:
    Ledger(tmp_path / "other" / "ledger.sqlite3").commit("carol", [], Draft("tiny", "0" * 64), after=0)
    assert completed(told, f"monogram ask --home {tmp_path / 'other'} ") == ["carol"]


def test_trouble_completes_nothing_and_shows_nothing(told: dict[str, str], home: Path) -> None:
    (home / "ledger.sqlite3").write_bytes(b"nonsense" * 4096)
    assert completed(told, "monogram ask al") == []
    assert completed(told, "monogram forget alice ") == []


def test_it_is_quick_because_nothing_heavy_is_imported(told: dict[str, str]) -> None:
    code = (
        "import sys\nfrom monogram.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    asked = {"COMP_WORDS": "monogram forget alice ", "COMP_CWORD": "3", "_MONOGRAM_COMPLETE": "complete_bash"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**told, **asked}, timeout=60
    )
    assert run.stdout.splitlines()[0] == "hobby"
    assert run.stdout.splitlines()[-1] == "HEAVY []"


SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(monogram --show-completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -Uz compinit; compinit -u; eval "$(monogram --show-completion zsh)"'),
    "fish": (["--no-config", "-i"], "monogram --show-completion fish | source"),
}


@pytest.mark.slow  # real shells, and a program that has torch to load: 7 s each
@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_blanks_and_all(told: dict[str, str], shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"there is no {shell} here")
    words, install = SHELLS[shell]
    with terminal([path, *words], {**told, "SHELL": path}) as seen:
        seen.type(f"{install}\n")
        seen.type("monogram list ali\t\n")
        seen.until("Hiking")
        seen.type("monogram forget alice a\t--yes --model nowhere\n")
        seen.until("Unknown model 'nowhere'")  # so `a cat` was one word, and found
        seen.type("exit\n")
        seen.ended()
