"""docs/cli.md is what the commands say of themselves today, wherever it is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ROOT, environment

PAGE = ROOT / "docs" / "cli.md"
MAKE = [
    "-m",
    "typer",
    "monogram.cli.app",
    "utils",
    "docs",
    "--name",
    "monogram",
    "--title",
    "The command line",
]


@pytest.mark.parametrize(
    "terminal", [{"COLUMNS": "40", "TERM": "dumb"}, {"COLUMNS": "200", "FORCE_COLOR": "1"}]
)
def test_the_page_is_fresh(tmp_path: Path, terminal: dict[str, str]) -> None:
    made = tmp_path / "cli.md"
    command = [sys.executable, *MAKE, "--output", str(made)]
    subprocess.run(
        command, env=environment(Path(os.devnull), **terminal), check=True, capture_output=True, timeout=120
    )
    assert made.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), "run `make docs`"


def test_make_docs_makes_it_that_way() -> None:
    rule = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndocs: ")[2].partition("\n\n")[0]
    assert "-m typer monogram.cli.app utils docs --name monogram" in rule
    assert "--output docs/cli.md" in rule
