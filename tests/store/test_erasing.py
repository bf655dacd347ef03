"""What is erased is nowhere any more, and everything else is as it was."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monogram.clusters.expand import expand
from monogram.editors import keys
from monogram.editors.keys import kept_readings, read_phrasings
from monogram.errors import DiskFullError, LedgerError, StoreError
from monogram.preferences import Preference
from monogram.store import database, sqlite
from monogram.store.ledger import Ledger, Version, ever, set_at, set_digest
from monogram.store.store import Store
from monogram.store.story import story
from tests import tiny
from tests.store.made import made

SECRET = Preference("ailment", "Xylophobia", "I suffer from Xylophobia and I love Quoits.")
QUOITS = Preference("hobby", "Quoits", "I suffer from Xylophobia and I love Quoits.")
VEGAN = Preference("diet", "vegan", "No meat, says my xylophobia nurse.", "fact")


@dataclass(frozen=True)
class Answers:
    """A receipt with an answer in it."""

    answer: str
    version: int | None = None

    def as_dict(self) -> dict[str, Any]:
        tallies = {"ask": {"version": self.version}}
        part = {"target": "Quoits", "answer": self.answer, "tallies": tallies}
        return {"recall": 1.0, "per_preference": [part]}


in_a_file = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.fixture
def store(place: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Version 1 has the secret, 2 and 3 too, 4 has not."""
    monkeypatch.setenv("MONOGRAM_LEDGER", str(place))
    made_store = Store(tmp_path / "home")
    for seed, change in enumerate(
        ([("added", SECRET)], [("added", QUOITS)], [("added", VEGAN)], [("forgotten", SECRET)]), start=1
    ):
        land(made_store, seed, *change)
    return made_store


def land(store: Store, seed: int, *changes: Any, user: str = "alice", **more: Any) -> Version:
    head = store.ledger.head(user)
    return store.commit(user, changes, made(seed), after=head, base_name="tiny", **more)


def traces(home: Path, *texts: str) -> list[str]:
    """The files below a home in which one of the texts stands, or whose name has it."""
    wanted = [text.encode() for text in texts]
    files = [path for path in home.rglob("*") if path.is_file()]
    return [str(p) for p in files if any(w in p.read_bytes() or w in str(p).encode() for w in wanted)]


@in_a_file
def test_the_text_is_there_before(store: Store) -> None:
    assert traces(store.home, "Xylophobia")


def test_nothing_of_it_is_in_any_file(store: Store) -> None:
    folders = [version.folder for version in store.ledger.versions("alice")]
    sets = [version.preferences_digest for version in store.ledger.versions("alice")]
    last = store.ledger.versions("alice")[-1]
    store.again("alice", last, after=4, erased={SECRET.digest})
    assert traces(store.home, "ylophobia", "ailment", SECRET.digest, *sets[:3], *folders[:3]) == []
    assert store.ledger.faults() == ()
    assert not list(store.home.glob("ledger.sqlite3-*"))
    assert {p.name for p in store.adapters.shelf("alice").iterdir()} == {folders[3]}


def test_what_else_was_true_stays_and_so_does_its_history(store: Store) -> None:
    last = store.ledger.versions("alice")[-1]
    new = store.again("alice", last, after=4, erased={SECRET.digest})
    assert (new.number, new.folder, new.receipt) == (5, last.folder, last.receipt)
    assert [p.target for p in store.ledger.present("alice")] == ["Quoits", "vegan"]
    assert [v.number for v in store.ledger.versions("alice")] == [4, 5]
    events = store.ledger.history("alice")
    assert [(e.kind, e.preference.target if e.preference else None, e.version) for e in events] == [
        ("added", "Quoits", 2),
        ("added", "vegan", 3),
        ("erased", None, 5),
    ]
    assert [p.statement for p in ever(events)] == ["", ""]  # each told of the other
    for version in store.ledger.versions("alice"):
        assert set_digest(set_at(events, version.number)) == version.preferences_digest
    told = story(store.ledger, "alice")
    assert [(e.number, e.version is not None, e.present) for e in told] == [
        (1, False, False),
        (2, False, False),
        (3, False, False),
        (4, True, False),
        (5, True, True),
    ]


@pytest.mark.parametrize(
    ("answer", "version", "stays"),
    [
        ("You have xylophobia, and love Quoits.", None, False),
        ("Your ailment aside, Quoits.", 3, False),  # given when it was there, and carried over since
        ("Quoits, of course.", 4, True),
    ],
)
def test_answers_in_the_receipts_that_stay_do_not_tell_of_it(
    store: Store, answer: str, version: int | None, stays: bool
) -> None:
    told = made(5, receipt=Answers(answer, version))
    store.commit("alice", [], told, after=4, base_name="tiny")
    new = store.again("alice", store.ledger.versions("alice")[-1], after=5, erased={SECRET.digest})
    assert new.receipt == Answers(answer if stays else "", version).as_dict()
    assert traces(store.home, "ylophobia", "ailment") == []


def test_what_else_a_receipt_says_stays(store: Store) -> None:
    cat, town = Preference("pet", "Cat"), Preference("location", "Cattown")
    land(store, 5, ("added", cat), ("forgotten", QUOITS))
    receipt = {"recall": 1.0, "per_preference": [{"attribute": "location", "target": "Cattown"}]}
    told = SimpleNamespace(as_dict=lambda: receipt)
    last = store.commit(
        "alice",
        [("forgotten", cat), ("added", town)],
        made(6, receipt=told),
        after=5,
        base_name="tiny",
    )
    new = store.again("alice", last, after=6, erased={cat.digest})
    assert new.receipt is not None
    (part,) = new.receipt["per_preference"]
    assert (part["attribute"], part["target"]) == ("location", "Cattown")


def test_readings_that_are_kept_are_of_nobody_and_outlive_an_erasure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(store.home))
    em = tiny.editable()
    own, known = (expand(Preference(name, "Xylophobia")).contrast_probe for name in ("my ward", "hobby"))
    for phrasings in (own, known):
        read_phrasings(em, 1, phrasings)
    kept = [path.read_bytes() for path in kept_readings().iterdir()]
    assert len(kept) == 1
    store.again("alice", store.ledger.versions("alice")[-1], after=4, erased={SECRET.digest})
    assert [path.read_bytes() for path in kept_readings().iterdir()] == kept
    monkeypatch.setattr(keys, "read_at", lambda *_, **__: pytest.fail("read again"))
    read_phrasings(em, 1, known)


def test_other_people_keep_what_one_erased(store: Store) -> None:
    land(store, 9, ("added", SECRET), user="bob")
    store.again("alice", store.ledger.versions("alice")[-1], after=4, erased={SECRET.digest})
    assert store.ledger.present("bob") == (SECRET,)
    bobs = store.ledger.version("bob")
    assert bobs is not None
    assert store.delta("bob", bobs) == made(9).delta


def test_somebody_who_is_erased_leaves_nothing(store: Store) -> None:
    land(store, 9, ("added", Preference("pet", "a newt")), user="bob")
    store.artefacts.of("alice").write("a" * 64, "b" * 64, {"x": torch.zeros(1)})
    store.erase_person("alice", after=4)
    assert store.ledger.users() == ("bob",)
    assert traces(store.home, "ylophobia", "alice", "Quoits", store.adapters.shelf("alice").name) == []
    assert not store.adapters.shelf("alice").exists()
    assert list(store.artefacts.root.iterdir()) == []
    land(store, 1, ("added", VEGAN))  # they may come back, as somebody new
    assert store.ledger.head("alice") == 1


def test_who_loses_a_race_with_an_erasure_is_told(store: Store) -> None:
    store.again("alice", store.ledger.versions("alice")[-1], after=4, erased={SECRET.digest})
    shelf = store.artefacts.of("alice")
    shelf.write(SECRET.digest, "b" * 64, {"x": torch.zeros(1)})  # compiled while it was being erased
    with pytest.raises(LedgerError, match="meanwhile"):
        store.commit("alice", [("added", SECRET)], made(7), after=4, base_name="tiny")
    assert shelf.read(SECRET.digest, "b" * 64) is None
    assert traces(store.home, "ylophobia") == []


def test_an_erasure_that_was_killed_is_finished_by_the_next_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    last = store.ledger.versions("alice")[-1]
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "rewrite", killed)
        with pytest.raises(KeyboardInterrupt):
            store.again("alice", last, after=4, erased={SECRET.digest})
    assert list(store.ledger.unfinished().values()) == ["alice"]
    Store(store.home).finish()
    assert store.ledger.unfinished() == {}
    assert traces(store.home, "ylophobia", "ailment", SECRET.digest) == []


@in_a_file
def test_a_reader_that_stays_is_named_and_the_rest_is_done_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    reader = sqlite3.connect(store.ledger.place, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM users").fetchall()
    with pytest.raises(LedgerError, match=r"another process is using .* Run `monogram verify`"):
        store.again("alice", store.ledger.versions("alice")[-1], after=4, erased={SECRET.digest})
    assert [p.target for p in store.ledger.present("alice")] == ["Quoits", "vegan"]
    reader.close()
    store.finish()
    assert traces(store.home, "ylophobia") == []


@pytest.fixture
def marked(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An erasure that landed, and was killed before anything was cleared."""
    with monkeypatch.context() as patched:
        patched.setattr(Store, "finish", lambda _: None)
        store.again("alice", store.ledger.versions("alice")[-1], after=4, erased={SECRET.digest})
    return store


@in_a_file
def test_a_writer_that_stays_is_named_and_nothing_is_said_to_be_unchanged(
    marked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    writer = sqlite3.connect(marked.ledger.place, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"^Something was erased, but another process is using"):
        marked.finish()
    writer.close()
    marked.finish()
    assert traces(marked.home, "ylophobia") == []


@in_a_file
def test_a_change_that_landed_is_no_failure_because_of_an_old_erasure(
    marked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    reader = sqlite3.connect(marked.ledger.place, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM users").fetchall()
    assert land(marked, 7, ("added", Preference("pet", "a newt")), user="bob").number == 1
    reader.close()


@in_a_file
def test_no_room_to_write_the_file_anew_is_told_as_that(
    marked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(sqlite3.OperationalError):
        sqlite_errorname = "SQLITE_FULL"

    @contextmanager
    def full(_: Any) -> Iterator[Any]:
        raise Full("database or disk is full")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(sqlite.SqliteDatabase, "_bare", full)
        with pytest.raises(DiskFullError, match=r"^Something was erased, but there is no room"):
            marked.finish()
    assert marked.ledger.unfinished()
    marked.finish()
    assert marked.ledger.unfinished() == {}


def test_a_folder_that_cannot_be_removed_is_told_and_removed_later(
    marked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (marked.adapters.shelf("alice") / "of old").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", refuses)
        with pytest.raises(StoreError, match="could not be removed: Permission denied"):
            marked.finish()
    assert marked.ledger.unfinished()
    marked.finish()
    assert marked.ledger.unfinished() == {}
    assert not (marked.adapters.shelf("alice") / "of old").exists()
