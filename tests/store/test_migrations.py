"""A ledger of an older schema is brought to today's by whoever opens it first, once, all or nothing."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from monogram.errors import LedgerError
from monogram.preferences import Preference
from monogram.store import database, migrations
from monogram.store.ledger import Draft, Ledger, set_at, set_digest

OLD = Path(__file__).with_name("schema_1.sql").read_text(encoding="utf-8")
HIKING = Preference("hobby", "Hiking", "I like to hike.")
SWIMMING, VEGAN = Preference("hobby", "Swimming"), Preference("diet", "vegan", polarity="fact")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    raw = sqlite3.connect(path)
    raw.executescript(OLD)
    raw.close()
    return path


def schema(path: Path) -> str:
    raw = sqlite3.connect(path)
    (found,) = raw.execute("SELECT value FROM about WHERE key = 'schema'").fetchone()
    raw.close()
    return str(found)


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    raw = sqlite3.connect(path)
    tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: raw.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
    found["indices"] = sorted(raw.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'"))
    raw.close()
    return found


def test_reading_an_old_ledger_just_works_and_loses_nothing(old: Path) -> None:
    ledger = Ledger(old)
    assert ledger.present("alice") == (VEGAN, SWIMMING)
    assert [(e.kind, e.preference, e.version) for e in ledger.history("alice")] == [
        ("added", HIKING, 1),
        ("added", VEGAN, 2),
        ("replaced", HIKING, 3),
        ("added", SWIMMING, 3),
    ]
    assert {e.time for e in ledger.history("alice")} == {"2026-11-21T14:50:41+00:00"}
    assert ledger.users() == ("alice", "bob")
    for version in ledger.versions("alice"):
        told = set_digest(set_at(ledger.history("alice"), version.number))
        assert told == version.preferences_digest
    ledger.rewrite(ledger.unfinished())
    assert ledger.faults() == ()


def test_a_change_to_an_old_ledger_just_works(old: Path) -> None:
    ledger = Ledger(old)
    ledger.commit("bob", [("forgotten", HIKING)], Draft("tiny", "bbbb"), after=1)
    assert ledger.present("bob") == ()
    assert schema(old) == str(database.SCHEMA)


def test_a_ledger_that_was_brought_up_is_as_a_new_one(old: Path, tmp_path: Path) -> None:
    Ledger(old).users()
    new = Ledger(tmp_path / "new.sqlite3")
    new.commit("alice", [("added", HIKING)], Draft("tiny", "bbbb"), after=0)
    assert columns(old) == columns(new.place)


def test_a_way_up_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(migrations.STEPS, 1, (*migrations.STEPS[1], "INSERT INTO nowhere VALUES (1)"))
        with pytest.raises(LedgerError, match="nowhere"):
            Ledger(old).present("alice")
        assert schema(old) == "1"
    assert Ledger(old).present("alice") == (VEGAN, SWIMMING)


def test_processes_that_open_it_at_once_bring_it_up_once(old: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from monogram.store.ledger import Ledger\n"
        "print('ready', flush=True)\n"
        "while not Path(sys.argv[2]).exists(): time.sleep(0.001)\n"
        "print([p.target for p in Ledger(Path(sys.argv[1])).present('alice')])\n"
    )
    command, go = [sys.executable, "-c", code, str(old), str(tmp_path / "go")], tmp_path / "go"
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(4)]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    go.touch()
    assert [run.communicate(timeout=60)[0] for run in runs] == ["['vegan', 'Swimming']\n"] * 4
    assert schema(old) == str(database.SCHEMA)


def test_a_newer_ledger_is_refused_and_left_alone(old: Path) -> None:
    raw = sqlite3.connect(old)
    raw.execute("UPDATE about SET value = '3'")
    raw.commit()
    raw.close()
    before = old.read_bytes()
    with pytest.raises(LedgerError, match=r"schema 3; this version of monogram reads up to 2"):
        Ledger(old).present("alice")
    with pytest.raises(LedgerError, match="schema 3"):
        Ledger(old).commit("bob", [], Draft("tiny", "bbbb"), after=1)
    assert old.read_bytes() == before
