"""Adapter folders that are not on this machine's disk: as whole, as private and as gone as those that are."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from monogram.errors import (
    AdapterFileError,
    BaseMismatchError,
    InputError,
    LedgerError,
    SealedError,
    StoreError,
)
from monogram.preferences import Preference
from monogram.store import database
from monogram.store.ledger import Kind, Version
from monogram.store.remote import RemoteFolders
from monogram.store.resealing import reseal
from monogram.store.store import Store
from tests.store.made import BASE, made
from tests.store.server import Server

HIKING = Preference("hobby", "Hiking")
ADDED: tuple[Kind, Preference] = ("added", HIKING)


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/far/people" if request.param == "file" else f"memory://{tmp_path.name}/people"


@pytest.fixture
def store(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MONOGRAM_ADAPTERS", url)
    return Store(tmp_path / "home")


def keep(store: Store, seed: int, *changes: tuple[Kind, Preference], user: str = "alice") -> Version:
    changes = changes or (ADDED,)
    return store.commit(user, changes, made(seed), after=store.ledger.head(user), base_name="tiny")


def kept(url: str) -> list[str]:
    """Every file below, without what all of them begin with."""
    system, root = fsspec.core.url_to_fs(url)
    return sorted(path.removeprefix(root).strip("/") for path in system.find(root))


def place(store: Store, version: Version, file: str) -> tuple[Any, str]:
    system, root = fsspec.core.url_to_fs(str(store.adapters.where("alice", version.folder)))
    return system, f"{root}/{file}"


def test_what_is_kept_comes_back_to_the_bit_and_nothing_of_it_is_here(store: Store, url: str) -> None:
    first, second = keep(store, 1), keep(store, 2)
    assert store.delta("alice", first) == made(1).delta
    assert store.delta("alice", second) == made(2).delta
    assert len(kept(url)) == 2 * 3
    assert [p.name for p in store.home.rglob("*") if "ledger" not in p.name] in ([], ["adapters.lock"])


def test_no_path_is_made_of_a_users_id(store: Store, url: str) -> None:
    for user in ("../../escape", "a/b", "..", "🦊"):
        keep(store, 1, user=user)
    shelves = {path.split("/")[0] for path in kept(url)}
    assert len(shelves) == 4
    assert all(len(shelf) == 32 and set(shelf) <= set("0123456789abcdef") for shelf in shelves)


def test_what_is_there_is_not_written_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    version = keep(store, 1)
    system, _ = place(store, version, "")
    written: list[str] = []
    monkeypatch.setattr(type(system), "pipe_file", lambda _self, path, *_: written.append(path))
    assert keep(store, 1).folder == version.folder
    assert written == []


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", "monogram.json"])
def test_files_that_were_cut_off_or_lost_are_told_by_their_place(store: Store, url: str, file: str) -> None:
    version = keep(store, 1)
    system, path = place(store, version, file)
    whole = system.cat_file(path)
    system.pipe_file(path, whole[:-9])
    for fault in ("cut off", "lost"):
        if fault == "lost":
            system.rm(path)
        with pytest.raises(AdapterFileError) as told:
            store.delta("alice", version)
        assert url in str(told.value)
        assert "monogram-" not in str(told.value)  # the folder it was read into
    assert keep(store, 1).folder == version.folder
    assert store.delta("alice", version) == made(1).delta
    assert system.cat_file(path) == whole


def test_a_folder_that_is_gone_is_none_and_one_of_another_model_is_refused(store: Store) -> None:
    version = keep(store, 1)
    with pytest.raises(BaseMismatchError):
        store.adapters.load("alice", version.folder, delta_digest=version.delta_digest, base_digest="c" * 64)
    with pytest.raises(AdapterFileError, match="another delta"):
        store.adapters.load("alice", version.folder, delta_digest="0" * 64, base_digest=BASE)
    system, path = place(store, version, "")
    system.rm(path.rstrip("/"), recursive=True)
    assert store.delta("alice", version) is None


@pytest.mark.parametrize("url", ["file"], indirect=True)
@pytest.mark.parametrize("files", [1, 2, 3])
def test_killed_while_it_is_sent_the_old_version_stands(store: Store, url: str, files: int) -> None:
    old = keep(store, 1)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from fsspec.implementations.local import LocalFileSystem as Disk\n"
        "from monogram.store.store import Store; from tests.store.made import made\n"
        "from monogram.preferences import Preference\n"
        "sent, real = [], Disk.pipe_file\n"
        "def cut(self, path, value, **rest):\n"
        f"    last = len(sent) == {files - 1}; sent.append(path)\n"
        "    real(self, path, value[:len(value) // 2] if last else value, **rest)\n"
        "    if last: os._exit(9)\n"
        "Disk.pipe_file = cut\n"
        "change = [('added', Preference('pet', 'a cat'))]\n"
        "Store(Path(sys.argv[1])).commit('alice', change, made(2), after=1, base_name='tiny')\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(store.home)], cwd=Path(__file__).parents[2])
    assert run.returncode == 9
    assert store.ledger.version("alice") == old
    assert store.delta("alice", old) == made(1).delta
    assert len(kept(url)) == 3 + files
    new = keep(store, 2)
    assert store.delta("alice", new) == made(2).delta
    assert len(kept(url)) == 3 + 3


def test_what_was_compiled_for_nothing_is_taken_away(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, 1)

    def refused(*_: object, **__: object) -> None:
        raise LedgerError("no")

    monkeypatch.setattr(store.ledger, "commit", refused)
    with pytest.raises(LedgerError):
        keep(store, 2)
    assert len(kept(url)) == 3


def test_who_is_erased_leaves_nothing(store: Store, url: str) -> None:
    keep(store, 1)
    bob = keep(store, 2, user="bob")
    store.erase_person("alice", after=1)
    assert {path.split("/")[1] for path in kept(url)} == {bob.folder}
    system, root = fsspec.core.url_to_fs(url)
    system.makedirs(f"{root}/0123")
    system.pipe_file(f"{root}/0123/of nobody", b"...")
    assert len(store.sweep(["bob"])) == 1
    assert len(kept(url)) == 3


def test_sealed_there_and_sealed_anew(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = keep(store, 1)
    key = tmp_path / "key"
    monkeypatch.setenv("MONOGRAM_KEY_FILE", str(key))
    for lines in (["1" * 64], ["2" * 64, "1" * 64]):
        key.write_text("\n".join(lines))
        assert (reseal(Store(store.home)).anew, reseal(Store(store.home)).anew) == (1, 0)
    key.write_text("2" * 64)
    sealed = Store(store.home)
    system, path = place(sealed, plain, "adapter_model.safetensors")
    assert system.cat_file(path).startswith(b"MGSEAL1")
    assert sealed.delta("alice", plain) == made(1).delta
    new = keep(sealed, 2)
    assert sealed.delta("alice", new) == made(2).delta
    with pytest.raises(SealedError, match=rf"{url}.*is sealed"):
        store.delta("alice", new)


def test_a_url_that_nothing_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be kept at far://place: Protocol not known"):
        RemoteFolders("far://place", tmp_path)


def test_a_place_out_of_reach_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((StoreError, InputError)) as told:
        RemoteFolders("ftp://me:secret@127.0.0.1:1/people", tmp_path).there()
    assert "ftp://me:***@127.0.0.1:1/people" in str(told.value)
    assert "secret" not in str(told.value)
    system = fsspec.filesystem("memory")

    def refused(*_: object, **__: object) -> bytes:
        raise TimeoutError("nobody there")

    monkeypatch.setattr(system, "cat_file", refused)
    with pytest.raises(StoreError, match=r"TimeoutError: nobody there. Is it reachable"):
        RemoteFolders("memory://out", tmp_path).load("alice", "f", delta_digest="", base_digest=BASE)


def test_a_machine_waits_for_another_one(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_ADAPTERS", url)
    monkeypatch.setenv("MONOGRAM_LEDGER", server.database())
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with here.locked(), pytest.raises(LedgerError, match="in use by another process"):
        keep(there, 1)
    version = keep(there, 1)
    assert here.delta("alice", version) == made(1).delta
