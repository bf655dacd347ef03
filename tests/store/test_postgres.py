"""A ledger on a real PostgreSQL server: what is its own, beside what every ledger does (`test_ledger`)."""

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from monogram.errors import InputError, LedgerError
from monogram.preferences import Preference
from monogram.store import database
from monogram.store.ledger import Draft, Ledger
from monogram.store.store import Store
from tests.store.made import made
from tests.store.server import Server

HIKING = Preference("hobby", "Hiking")
SECRET = Preference("ailment", "Xylophobia", "I suffer from Xylophobia.")
DRAFT = Draft("tiny", "b" * 64)


@pytest.fixture
def url(server: Server) -> str:
    return server.database()


def test_a_writer_that_holds_the_ledger_is_waited_for_then_named_and_readers_never_wait(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Ledger(url), Ledger(url)
    first.commit("alice", [("added", HIKING)], DRAFT, after=0)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with first._database.write():
        assert second.present("alice") == (HIKING,)
        with pytest.raises(LedgerError, match="in use by another process"):
            second.commit("bob", [("added", HIKING)], DRAFT, after=0)
    second.commit("bob", [("added", HIKING)], DRAFT, after=0)


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    ledger = Ledger(f"postgresql://me:hunter2@/people?host={tmp_path}")
    with pytest.raises(LedgerError, match=r"postgresql://me:\*\*\*@.*cannot be reached") as caught:
        ledger.users()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://me@host/people", "redis://host", "postgresql://host:port/people"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"is a file or a postgresql:// URL|cannot be read"):
        Ledger(url)


def test_what_was_erased_is_in_none_of_the_tables_files(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_LEDGER", url)
    store = Store(tmp_path / "home")
    store.commit("alice", [("added", SECRET)], made(1), after=0, base_name="tiny")
    store.commit("alice", [("forgotten", SECRET), ("added", HIKING)], made(2), after=1, base_name="tiny")
    name = url.split("@/")[1].split("?")[0]
    assert _files_with(server, name, b"ylophobia")
    last = store.ledger.versions("alice")[-1]
    store.again("alice", last, after=2, erased={SECRET.digest})
    assert _files_with(server, name, b"ylophobia") == []
    assert _files_with(server, name, b"Hiking")
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()


def _files_with(server: Server, name: str, word: bytes) -> list[str]:
    server.run(name, "CHECKPOINT")  # all pages on the disk
    engine = create_engine(server.url(name).replace("://", "+psycopg://"))
    with engine.connect() as connection:
        number = connection.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    engine.dispose()
    folder = server.data / "base" / str(number)
    return [file for file in os.listdir(folder) if word in (folder / file).read_bytes()]
