"""A change lands in the folder and the ledger, or in neither, whatever happens between."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.clusters.expand import expand_all
from monogram.delta import Delta
from monogram.errors import AdapterFileError, BaseMismatchError, DiskFullError, LedgerError
from monogram.preferences import Preference
from monogram.store.ledger import Kind, Ledger, Version
from monogram.store.store import Store
from tests.store.made import BASE, made

HIKING, SWIMMING = Preference("hobby", "Hiking"), Preference("hobby", "Swimming")


in_a_file = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.fixture
def store(place: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MONOGRAM_LEDGER", str(place))
    return Store(tmp_path / "home")


def keep(
    store: Store, seed: int, *changes: tuple[Kind, Preference], user: str = "alice", **rest: Any
) -> Version:
    monogram = made(seed, **rest)
    return store.commit(user, changes, monogram, after=store.ledger.head(user), base_name="tiny")


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_dir())


def test_what_is_kept_comes_back_to_the_bit(store: Store) -> None:
    version = keep(store, 1, ("added", HIKING))
    assert store.delta("alice", version) == made(1).delta
    assert (version.receipt, version.settings) == ({"recall": 1.0}, "s" * 64)
    found = store.ledger.version("alice", BASE)
    assert found == version


def test_every_version_keeps_its_folder(store: Store) -> None:
    first = keep(store, 1, ("added", HIKING))
    second = keep(store, 2, ("replaced", HIKING), ("added", SWIMMING))
    assert store.delta("alice", first) == made(1).delta
    assert store.delta("alice", second) == made(2).delta


def test_a_person_with_nothing_has_the_zero_delta_and_no_folder(store: Store) -> None:
    keep(store, 1, ("added", HIKING))
    empty = keep(store, 1, ("forgotten", HIKING), rank=0, receipt=None)
    assert empty.folder == ""
    assert store.delta("alice", empty) == Delta.zero()


@pytest.mark.parametrize("user", ["../../escape", "/etc/passwd", "a/b", "..", "CON", "🦊", "x" * 200])
def test_no_path_is_made_of_a_users_id(store: Store, tmp_path: Path, user: str) -> None:
    keep(store, 1, ("added", HIKING), user=user)
    (shelf,) = (p for p in store.adapters.root.iterdir() if p.is_dir())
    assert len(shelf.name) == 32
    assert set(shelf.name) <= set("0123456789abcdef")
    assert {p.name for p in tmp_path.iterdir()} == {"home"}


def test_killed_between_folder_and_ledger_leaves_the_old_version(store: Store) -> None:
    old = keep(store, 1, ("added", HIKING))
    code = (
        "import os, sys; from pathlib import Path\n"
        "from monogram.store.ledger import Ledger; from monogram.store.store import Store\n"
        "from tests.store.made import made; from monogram.preferences import Preference\n"
        "Ledger.commit = lambda *a, **k: os._exit(9)\n"
        "change = [('added', Preference('pet', 'a cat'))]\n"
        "Store(Path(sys.argv[1])).commit('alice', change, made(2), after=1, base_name='tiny')\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(store.home)], cwd=Path(__file__).parents[2])
    assert run.returncode == 9
    assert store.ledger.version("alice") == old
    assert store.delta("alice", old) == made(1).delta
    assert store.ledger.present("alice") == (HIKING,)

    shelf = store.adapters.shelf("alice")
    (orphan,) = (path for path in shelf.iterdir() if path.name != old.folder)
    half = shelf / ".half.0123"
    half.mkdir()
    keep(store, 3, ("added", SWIMMING))  # the next change lands, and sweeps
    assert not orphan.exists()
    assert not half.exists()
    assert store.delta("alice", old) == made(1).delta


def test_a_ledger_that_refuses_leaves_no_folder(store: Store) -> None:
    keep(store, 1, ("added", HIKING))
    before = files(store.home)
    with pytest.raises(LedgerError, match="meanwhile"):
        store.commit("alice", [("added", SWIMMING)], made(2), after=0, base_name="tiny")
    assert files(store.home) == before


def test_ctrl_c_after_it_has_landed_takes_nothing_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Ledger.commit

    def interrupted(*args: Any, **more: Any) -> Version:
        plain(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep(store, 1, ("added", HIKING))
    landed = store.ledger.version("alice")
    assert landed is not None
    assert store.delta("alice", landed) == made(1).delta


def test_sweeping_keeps_what_was_found_for_values_that_are_said_together(store: Store) -> None:
    pets = [Preference("pet", target) for target in ("a cat", "a dog", "bees", "a newt")]
    keep(store, 1, *(("added", pet) for pet in pets))
    (together,) = expand_all(sorted(pets, key=lambda p: p.digest))  # as they are compiled
    shelf = store.artefacts.of("alice")
    shelf.write(together.preference.digest, "b" * 64, {"x": torch.zeros(1)})
    store.sweep(["alice"])
    assert shelf.read(together.preference.digest, "b" * 64) is not None


@in_a_file
def test_a_damaged_ledger_stops_everything(store: Store) -> None:
    keep(store, 1, ("added", HIKING))
    before = files(store.home)
    store.ledger.place.write_bytes(b"not a database at all, by any means" * 99)
    with pytest.raises(LedgerError, match="damaged"):
        store.commit("alice", [("added", SWIMMING)], made(2), after=1, base_name="tiny")
    assert files(store.home) == before


def test_a_full_disk_under_the_folder_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old = keep(store, 1, ("added", HIKING))
    before = files(store.home)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match="disk"):
        keep(store, 2, ("added", SWIMMING))
    monkeypatch.undo()
    assert files(store.home) == before
    assert store.ledger.version("alice") == old


def test_a_full_disk_under_the_ledger_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, 1, ("added", HIKING))
    before = files(store.home)

    def full(*_: Any, **__: Any) -> Version:
        raise DiskFullError("No room is left.")

    monkeypatch.setattr(Ledger, "commit", full)
    with pytest.raises(DiskFullError):
        keep(store, 2, ("added", SWIMMING))
    assert files(store.home) == before


def weights(store: Store, version: Version) -> Path:
    return store.adapters.shelf("alice") / version.folder / "adapter_model.safetensors"


def test_a_truncated_or_tampered_adapter_is_refused_with_the_way_out(store: Store) -> None:
    version = keep(store, 1, ("added", HIKING))
    path = weights(store, version)
    whole = path.read_bytes()
    for broken in (whole[:-8], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(broken)
        with pytest.raises(
            AdapterFileError, match=r"version 1 of 'alice' is damaged.*compiled again from the"
        ) as found:
            store.delta("alice", version)
        assert "Export" not in str(found.value)
    keep(store, 1, ("added", SWIMMING))  # the same delta again: the broken folder is written anew
    assert store.delta("alice", version) == made(1).delta


def test_an_adapter_swapped_for_another_is_refused(store: Store) -> None:
    version = keep(store, 1, ("added", HIKING))
    other = keep(store, 2, ("added", SWIMMING))
    shelf = store.adapters.shelf("alice")
    (shelf / version.folder).rename(shelf / "aside")
    (shelf / other.folder).rename(shelf / version.folder)
    with pytest.raises(AdapterFileError, match="another delta"):
        store.delta("alice", version)


def test_an_adapter_of_another_base_is_refused(store: Store) -> None:
    version = keep(store, 1, ("added", HIKING))
    with pytest.raises(BaseMismatchError):
        store.adapters.load("alice", version.folder, delta_digest=version.delta_digest, base_digest="c" * 64)


def test_an_adapter_that_is_gone_is_none(store: Store) -> None:
    version = keep(store, 1, ("added", HIKING))
    shutil.rmtree(store.adapters.shelf("alice") / version.folder)
    assert store.delta("alice", version) is None
