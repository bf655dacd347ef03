"""`monogram` alone says what it is, how to begin, and what is here."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monogram.cli.app import app
from monogram.preferences import Preference
from monogram.store.ledger import Draft, Ledger


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_on_a_new_machine_it_says_how_to_begin_and_makes_nothing(home: Path) -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 0
    for part in (
        "monogram demo",
        "monogram add me",
        "monogram chat me",
        "93 MB, once",
        "nobody yet",
        "monogram --help",
        str(home),
    ):
        assert part in shown.stdout
    assert len(shown.stdout.splitlines()) < 20
    assert not home.exists()


def test_later_it_says_who_is_here(home: Path) -> None:
    ledger = Ledger(home / "ledger.sqlite3")
    for n in range(10):
        ledger.commit(f"user{n}", [("added", Preference("hobby", "Chess"))], Draft("tiny", "0" * 64), after=0)
    shown = CliRunner().invoke(app, []).stdout
    assert "user0 (1), " in shown
    assert "and 2 more" in shown
    assert "nobody" not in shown


def test_a_damaged_ledger_is_one_line(home: Path) -> None:
    home.mkdir()
    (home / "ledger.sqlite3").write_bytes(b"nonsense" * 4096)
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 1
    assert "is damaged" in shown.stderr
