"""The ledger adds up what happened, is read by hand, and says clearly when it cannot be."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, text

from monogram.errors import DiskFullError, InputError, LedgerError, StoreError
from monogram.preferences import Preference
from monogram.store import database
from monogram.store import sqlite as room
from monogram.store.ledger import Draft, Ledger, set_digest

HIKING = Preference("hobby", "Hiking", "I like to hike.")
SWIMMING = Preference("hobby", "Swimming")
VEGAN = Preference("diet", "vegan", polarity="fact")
DRAFT = Draft("tiny", "b" * 64, "neuron", "s" * 64, "d" * 64, "d" * 16, {"recall": 1.0})


in_a_file = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.fixture
def ledger(place: Path | str) -> Ledger:
    return Ledger(place)


def filled(ledger: Ledger) -> Ledger:
    ledger.commit("alice", [("added", HIKING)], DRAFT, after=0)
    ledger.commit("alice", [("added", VEGAN)], DRAFT, after=1)
    return ledger


def test_reading_before_the_first_change_makes_no_file(ledger: Ledger) -> None:
    assert (ledger.users(), ledger.present("alice"), ledger.history("alice")) == ((), (), ())
    assert ledger.version("alice") is None
    assert ledger.head("alice") == 0
    assert isinstance(ledger.place, str) or not ledger.place.parent.exists()


def test_what_is_true_now_is_what_the_events_add_up_to(ledger: Ledger) -> None:
    filled(ledger)
    ledger.commit("alice", [("replaced", HIKING), ("added", SWIMMING)], DRAFT, after=2)
    assert ledger.present("alice") == (VEGAN, SWIMMING)
    ledger.commit("alice", [("forgotten", VEGAN)], DRAFT, after=3)
    assert ledger.present("alice") == (SWIMMING,)
    assert [(e.kind, e.preference.target, e.version) for e in ledger.history("alice")] == [
        ("added", "Hiking", 1),
        ("added", "vegan", 2),
        ("replaced", "Hiking", 3),
        ("added", "Swimming", 3),
        ("forgotten", "vegan", 4),
    ]
    assert ledger.history("alice")[0].preference.statement == "I like to hike."


def test_a_version_comes_back_as_it_was_written(ledger: Ledger) -> None:
    written = filled(ledger).commit("alice", [("forgotten", VEGAN)], DRAFT, after=2)
    found = ledger.version("alice")
    assert found == written
    assert (written.user, written.number, written.receipt) == ("alice", 3, {"recall": 1.0})
    assert written.preferences_digest == set_digest([HIKING])
    assert written.created.endswith("+00:00")


def test_each_model_has_a_newest_version_of_its_own(ledger: Ledger) -> None:
    filled(ledger).commit("alice", [], Draft("other", "c" * 64), after=2)
    assert [ledger.version("alice", base).number for base in ("b" * 64, "c" * 64)] == [2, 3]  # type: ignore[union-attr]
    assert ledger.version("alice", "e" * 64) is None
    assert ledger.present("alice") == (HIKING, VEGAN)


def test_people_are_apart(ledger: Ledger) -> None:
    filled(ledger).commit("bob", [("added", SWIMMING)], DRAFT, after=0)
    assert ledger.users() == ("alice", "bob")
    assert ledger.present("bob") == (SWIMMING,)
    assert ledger.present("alice") == (HIKING, VEGAN)
    assert ledger.folders("carol") == frozenset()


@pytest.mark.parametrize("user", ["../../etc", "/", "'; drop table users; --", "🦊", "Ωmega", "a" * 200])
def test_ids_are_opaque(ledger: Ledger, user: str) -> None:
    ledger.commit(user, [("added", HIKING)], DRAFT, after=0)
    assert ledger.users() == (user,)
    assert ledger.present(user) == (HIKING,)


@pytest.mark.parametrize("user", ["", " alice", "a\x00b", "a" * 201])
def test_what_is_no_id_is_refused(ledger: Ledger, user: str) -> None:
    with pytest.raises(InputError):
        ledger.commit(user, [("added", HIKING)], DRAFT, after=0)


def test_who_loses_a_race_is_told_and_changes_nothing(ledger: Ledger) -> None:
    filled(ledger)
    with pytest.raises(LedgerError, match=r"changed by somebody else meanwhile \(version 2"):
        ledger.commit("alice", [("added", SWIMMING)], DRAFT, after=1)
    assert ledger.present("alice") == (HIKING, VEGAN)


@in_a_file
def test_a_writer_that_holds_the_ledger_is_waited_for_then_named(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    filled(ledger)
    other = sqlite3.connect(ledger.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert ledger.present("alice") == (HIKING, VEGAN)  # readers never wait
    with pytest.raises(LedgerError, match="in use by another process"):
        ledger.commit("alice", [("added", SWIMMING)], DRAFT, after=2)
    other.close()


@in_a_file
@pytest.mark.parametrize(("start", "length"), [(0, 2000), (100, 2000), (4096, 10**6)])
def test_a_damaged_ledger_is_named_and_left_alone(ledger: Ledger, start: int, length: int) -> None:
    filled(ledger)
    whole = ledger.place.read_bytes()
    broken = whole[:start] + b"\xff" * min(length, len(whole) - start) + whole[start + length :]
    ledger.place.write_bytes(broken)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite3 (is damaged|is not)"):
        ledger.present("alice")
    with pytest.raises(LedgerError):
        ledger.commit("alice", [("added", SWIMMING)], DRAFT, after=2)
    assert ledger.place.read_bytes() == broken


@in_a_file
def test_a_truncated_ledger_is_named(ledger: Ledger) -> None:
    filled(ledger)
    ledger.place.write_bytes(ledger.place.read_bytes()[:6000])
    with pytest.raises(LedgerError, match="damaged"):
        ledger.present("alice")


def sql(ledger: Ledger, statement: str) -> None:
    engine = sql_engine(ledger)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def sql_engine(ledger: Ledger) -> Engine:
    if isinstance(ledger.place, str):
        return create_engine(ledger.place.replace("://", "+psycopg://"))
    return create_engine(URL.create("sqlite", database=str(ledger.place)))


def test_a_line_changed_by_hand_is_noticed(ledger: Ledger) -> None:
    sql(filled(ledger), "UPDATE events SET target = 'Golf' WHERE target = 'Hiking'")
    with pytest.raises(LedgerError, match="Line 1 of the ledger was changed"):
        ledger.present("alice")


@in_a_file
def test_a_receipt_that_is_no_json_is_damage(ledger: Ledger) -> None:
    sql(filled(ledger), "UPDATE versions SET receipt = '{oops'")
    with pytest.raises(LedgerError, match="is damaged"):
        ledger.version("alice")


def test_a_ledger_of_another_schema_is_refused(ledger: Ledger) -> None:
    sql(filled(ledger), "UPDATE about SET value = '7'")
    with pytest.raises(LedgerError, match=r"has schema 7; this version of monogram reads up to 2\. Use"):
        ledger.present("alice")


def test_somebody_elses_database_is_refused(ledger: Ledger) -> None:
    if isinstance(ledger.place, Path):
        ledger.place.parent.mkdir()
    sql(ledger, "CREATE TABLE songs (name TEXT)")
    with pytest.raises(LedgerError, match="is not a ledger of monogram"):
        ledger.commit("alice", [("added", HIKING)], DRAFT, after=0)


@in_a_file
def test_a_full_disk_changes_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(ledger)
    pages = _limit_pages(ledger, monkeypatch)
    big = Draft("tiny", "b" * 64, receipt={"long": "x" * 100 * pages * 4096})
    with pytest.raises(DiskFullError, match="Nothing was changed"):
        ledger.commit("alice", [("added", SWIMMING)], big, after=2)
    monkeypatch.undo()
    assert ledger.present("alice") == (HIKING, VEGAN)
    assert ledger.head("alice") == 2


@in_a_file
@pytest.mark.skipif(sys.platform == "win32", reason="no file-size limits there")
def test_a_disk_too_full_to_read_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite needs room to read, and complains of an I/O error when a file of its own cannot grow."""
    import resource

    filled(ledger)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(LedgerError, match="disk I/O error"):
            ledger.present("alice")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_288))
        with pytest.raises(DiskFullError, match="No room is left"):
            ledger.present("alice")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ledger.present("alice") == (HIKING, VEGAN)


def _limit_pages(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> int:
    """SQLite's own limit on a file's pages gives SQLITE_FULL, as a full disk does."""
    raw = sqlite3.connect(ledger.place)
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    raw.close()
    real = room.open_engine

    def limited(*args: Any) -> Any:
        engine = real(*args)
        room.event.listen(
            engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count = {pages}").close()
        )
        return engine

    monkeypatch.setattr(room, "open_engine", limited)
    return int(pages)


def test_a_home_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match="cannot be read or written"):
        Ledger(tmp_path / "home" / "ledger.sqlite3").commit("alice", [("added", HIKING)], DRAFT, after=0)


@in_a_file
@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_the_ledger_is_its_owners_alone(ledger: Ledger) -> None:
    assert filled(ledger).place.stat().st_mode & 0o077 == 0


def test_the_ledger_imports_no_torch() -> None:
    code = "import sys, monogram.store.ledger; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert run.stdout == "False\n", run.stderr
