"""The command line as a whole: quick to help, teaching by example, and obeying no text it shows."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monogram import __version__
from monogram.cli.app import app
from monogram.cli.output import plain
from monogram.cli.progress import amount, progress
from tests.cli.program import environment
from tests.cli.terminal import terminal

COMMANDS = [
    ["demo"], ["add"], ["ask"], ["chat"], ["list"], ["forget"], ["history"], ["rollback"],
    ["erase"], ["verify"], ["import"], ["export"], ["data", "build"],
    ["bench", "run"], ["bench", "report"], ["bench", "score"],
    ["serve"], ["reseal"], ["keys", "add"], ["keys", "list"], ["keys", "revoke"],
    ["model", "list"], ["model", "pull"], ["model", "info"],
]  # fmt: skip
SHORT = {"bench run": "bench"}
"""What a command's example says instead of its whole name."""
HOMELESS = ("bench report", "data build")
"""Commands that touch neither models nor people."""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_teaches_by_example_and_speaks_json(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    name = " ".join(command)
    assert f"Example: monogram {SHORT.get(name, name)}" in shown.stdout
    assert "--json" in shown.stdout
    assert ("--home" in shown.stdout) != (name in HOMELESS)


def test_the_version_is_said() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"monogram {__version__}\n"


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from monogram.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'sqlalchemy', 'numpy', 'safetensors'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "HEAVY []"
    assert time.perf_counter() - start < 5  # about 0.2 s; a busy machine is forgiven


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("bell\x07", "bell\\x07"),
        ("\u202eabc", "\\u202eabc"),
        ("two\nlines", "two\\nlines"),
        ("🧗‍♀️ 登山 naïve", "🧗‍♀️ 登山 naïve"),
        ("csi\x9b31m", "csi\\x9b31m"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_shown_not_obeyed(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_lines_stay_lines_where_they_may() -> None:
    assert plain("a\n\tb\r", lines=True) == "a\n\tb\\r"


def test_bars_are_off_for_machines_and_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress(True) as bars:
        assert bars is None
    with progress(False) as bars:  # stderr is no terminal here
        assert bars is None


def test_bars_on_a_terminal_take_any_order_of_reports(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(False) as bars:
        assert bars is not None
        bars("Fetching [smollm2]", 0, 93_000_000)
        bars("Fetching [smollm2]", 93_000_000, 93_000_000)
        bars("Compiling", 1, 0)
        bars("Compiling", 1, 3)
    assert "smollm2" in capsys.readouterr().err


def test_amounts_are_readable() -> None:
    assert [amount(3, 10), amount(5_000_000, 92_871_040), amount(3, 0)] == ["3/10", "5/93 MB", ""]


def test_a_bar_that_is_full_goes_on_as_one_without_an_end() -> None:
    """What follows may take long too, and would look like a program that hangs."""
    code = (
        "import time\n"
        "from monogram.cli.progress import progress\n"
        "with progress(False, 'Loading') as bars:\n"
        "    time.sleep(0.4); bars('Checking', 1, 3); time.sleep(0.4)\n"
        "    bars('Checking', 3, 3); time.sleep(0.4)\n"
    )
    with terminal([sys.executable, "-c", code], environment(Path(os.devnull))) as seen:
        assert seen.ended() == 0
    frames = [part for part in re.split(r"(?=Loading|Checking)", seen.shown) if "━" in part]
    assert frames[0].startswith("Loading")
    assert any("1/3" in frame for frame in frames)
    assert frames[-1].startswith("Checking")
    assert "/3" not in frames[-1]


def test_while_nobody_knows_for_how_long_something_moves_on_a_terminal_alone() -> None:
    code = "import time\nfrom monogram.cli.progress import waiting\nwith waiting('Reading'): time.sleep(0.3)"
    with terminal([sys.executable, "-c", code], environment(Path(os.devnull))) as seen:
        assert seen.ended() == 0
    assert "Reading" in seen.shown
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(Path(os.devnull)))
    assert (run.stdout, run.stderr) == (b"", b"")
