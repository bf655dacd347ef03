"""What is sealed is read by the key's owner alone, in its own place, unchanged; everybody else is told."""

import errno
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from monogram import tensors
from monogram.cli.app import app
from monogram.errors import DiskFullError, SealedError, StoreError
from monogram.people import Personalizer
from monogram.preferences import Preference
from monogram.seal import Seal, is_sealed
from monogram.store.resealing import Resealed, reseal
from monogram.store.store import Store
from tests.store.made import BASE, made

KEY = bytes(range(32))
NEW = bytes(range(32, 64))
HIKING = Preference("hobby", "Hiking")


def test_what_is_sealed_opens_with_its_key_in_its_place_and_nowhere_else() -> None:
    seal = Seal(KEY)
    closed = seal.close(b"hiking", "a")
    assert is_sealed(closed)
    assert b"hiking" not in closed
    assert seal.open(closed, "a") == b"hiking"
    assert seal.close(b"hiking", "a") != closed  # never the same twice
    for key, told, place in (
        (KEY, closed, "b"),
        (KEY[::-1], closed, "a"),
        (KEY, closed[:-1], "a"),
        (KEY, closed[:30] + b"x" + closed[31:], "a"),
        (KEY, closed[:10], "a"),
        (KEY, b"hiking", "a"),
    ):
        with pytest.raises(StoreError, match="another key"):
            Seal(key).open(told, place)


def test_a_key_comes_from_a_file_and_is_told_where_it_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONOGRAM_KEY_FILE", raising=False)
    assert Seal.found() is None
    monkeypatch.setenv("MONOGRAM_KEY_FILE", str(tmp_path / "key"))
    for text in (None, "short", "ab" * 31, "é" * 64):
        if text is not None:
            (tmp_path / "key").write_text(text)
        with pytest.raises(StoreError, match="openssl rand -hex 32"):
            Store(tmp_path)
    (tmp_path / "key").write_text(KEY.hex() + "\n")
    found = Seal.found()
    assert found is not None
    assert found.open(Seal(KEY).close(b"x", "p"), "p") == b"x"


def test_tensors_are_sealed_and_plain_ones_are_still_read(tmp_path: Path) -> None:
    seal, path = Seal(KEY), tmp_path / "one.safetensors"
    wanted = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1])}
    tensors.save(path, wanted, {"of": "somebody"}, seal=seal)
    assert b"somebody" not in path.read_bytes()
    for given, there in ((seal, True), (Seal(KEY[::-1]), False), (None, False)):
        found = tensors.load(path, seal=given)
        assert (found is not None) == there
        if found is not None:
            assert found[1] == {"of": "somebody"}
            assert all(torch.equal(found[0][name], wanted[name]) for name in wanted)
    (tmp_path / "two.safetensors").write_bytes(path.read_bytes())
    assert tensors.load(tmp_path / "two.safetensors", seal=seal) is None  # put in another's place
    tensors.save(path, wanted, {"of": "nobody"})
    plain = tensors.load(path, seal=seal)
    assert plain is not None
    assert plain[1] == {"of": "nobody"}


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "key").write_text(KEY.hex())
    monkeypatch.setenv("MONOGRAM_KEY_FILE", str(tmp_path / "key"))
    return tmp_path / "home"


def test_a_store_with_a_key_seals_what_it_keeps(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(sealed)
    version = store.commit("alice", [("added", HIKING)], made(1), after=0, base_name="tiny")
    store.artefacts.of("alice").write("a" * 16, "b" * 16, {"x": torch.ones(3)})
    weights = store.adapters.shelf("alice") / version.folder / "adapter_model.safetensors"
    artefact = store.artefacts.of("alice").folder / ("a" * 16) / f"{'b' * 16}.safetensors"
    assert is_sealed(weights.read_bytes())
    assert is_sealed(artefact.read_bytes())
    again = Store(sealed)
    assert again.delta("alice", version) == made(1).delta
    assert again.artefacts.of("alice").read("a" * 16, "b" * 16) is not None
    other = store.commit("bob", [("added", HIKING)], made(2), after=0, base_name="tiny")
    (store.adapters.shelf("bob") / other.folder / weights.name).write_bytes(weights.read_bytes())
    with pytest.raises(SealedError, match="changed, or sealed with another key"):
        again.delta("bob", other)
    monkeypatch.delenv("MONOGRAM_KEY_FILE")
    blind = Store(sealed)
    with pytest.raises(SealedError, match=r"is sealed\. Let MONOGRAM_KEY_FILE name"):
        blind.delta("alice", version)
    assert blind.artefacts.of("alice").read("a" * 16, "b" * 16) is None
    assert blind.ledger.version("alice", BASE) == version


def test_what_was_kept_before_there_was_a_key_is_read_and_the_next_change_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "home")
    first = store.commit("alice", [("added", HIKING)], made(1), after=0, base_name="tiny")
    (tmp_path / "key").write_text(KEY.hex())
    monkeypatch.setenv("MONOGRAM_KEY_FILE", str(tmp_path / "key"))
    store = Store(tmp_path / "home")
    assert store.delta("alice", first) == made(1).delta
    second = store.commit("alice", [("forgotten", HIKING)], made(2), after=1, base_name="tiny")
    assert store.delta("alice", second) == made(2).delta


def test_an_export_is_plain_and_everything_verifies(
    people: Personalizer, sealed: Path, tmp_path: Path
) -> None:
    served = Personalizer(people.model, Store(sealed))
    alice = served.user("alice")
    alice.add("I love hiking.")
    assert served.verify("alice", all_versions=True).all_faults == ()
    alice.export(tmp_path / "out")
    assert not is_sealed((tmp_path / "out" / "adapter_model.safetensors").read_bytes())


def files_of(store: Store) -> list[Path]:
    weights = sorted(store.adapters.root.glob("*/*/adapter_model.safetensors"))
    return weights + sorted(store.artefacts.root.glob("*/*/*.safetensors"))


@pytest.fixture
def held(sealed: Path) -> Store:
    """Two people's versions and an artefact, sealed with the old key."""
    store = Store(sealed)
    for count, user in enumerate(("alice", "bob"), 1):
        store.commit(user, [("added", HIKING)], made(count), after=0, base_name="tiny")
    store.artefacts.of("alice").write("a" * 16, "b" * 16, {"x": torch.ones(3)})
    return store


def read_all(store: Store) -> bool:
    """Whether everything there can be read."""
    deltas = [store.delta(user, store.ledger.version(user, BASE)) for user in ("alice", "bob")]
    found = store.artefacts.of("alice").read("a" * 16, "b" * 16)
    return deltas == [made(1).delta, made(2).delta] and found is not None


def test_a_new_key_takes_the_place_of_the_old_one(held: Store, tmp_path: Path) -> None:
    keys = tmp_path / "key"
    keys.write_text(f"{NEW.hex()}\n{KEY.hex()}\n")
    both = Store(held.home)
    assert read_all(both)  # before anything is sealed anew
    assert reseal(both) == Resealed(anew=3, already=0)
    assert read_all(both)
    assert reseal(both) == Resealed(anew=0, already=3)
    keys.write_text(NEW.hex())
    assert read_all(Store(held.home))
    with pytest.raises(SealedError):  # the old key alone opens nothing any more
        read_all(held)


def test_what_is_written_is_the_first_keys(held: Store, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{NEW.hex()}\n{KEY.hex()}")
    version = Store(held.home).commit("carol", [("added", HIKING)], made(3), after=0, base_name="tiny")
    (tmp_path / "key").write_text(NEW.hex())
    assert Store(held.home).delta("carol", version) == made(3).delta


def test_what_was_plain_is_sealed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONOGRAM_KEY_FILE", raising=False)
    store = Store(tmp_path / "home")
    store.commit("alice", [("added", HIKING)], made(1), after=0, base_name="tiny")
    with pytest.raises(StoreError, match="Let MONOGRAM_KEY_FILE name a file"):
        reseal(store)
    (tmp_path / "key").write_text(KEY.hex())
    monkeypatch.setenv("MONOGRAM_KEY_FILE", str(tmp_path / "key"))
    assert reseal(Store(store.home)) == Resealed(anew=1, already=0)
    assert all(is_sealed(path.read_bytes()) for path in files_of(store))


def test_a_run_that_was_ended_goes_on(held: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{NEW.hex()}\n{KEY.hex()}")
    both = Store(held.home)

    def told(_what: str, done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reseal(both, progress=told)
    assert read_all(both)
    left = files_of(held)[0].with_name(".adapter_model.safetensors.0123456789ab")
    left.write_bytes(b"half")
    monkeypatch.setattr("os.fsync", full)
    before = [path.read_bytes() for path in files_of(held)]
    with pytest.raises(DiskFullError, match="Make room"):
        reseal(both)
    assert [path.read_bytes() for path in files_of(held)] == before
    monkeypatch.undo()
    monkeypatch.setenv("MONOGRAM_KEY_FILE", str(tmp_path / "key"))
    assert reseal(Store(held.home)) == Resealed(anew=1, already=2)
    assert not list(held.home.rglob(".adapter_model*"))
    assert read_all(both)


def full(_file: int) -> None:
    raise OSError(errno.ENOSPC, "no room")


def test_a_file_of_a_key_that_is_gone_is_told_and_left(held: Store, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in files_of(held)}
    (tmp_path / "key").write_text(NEW.hex())
    with pytest.raises(SealedError, match=r"adapter_model\.safetensors cannot be opened"):
        reseal(Store(held.home))
    assert {path: path.read_bytes() for path in files_of(held)} == before


def test_the_command_says_what_it_sealed(held: Store, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["reseal", "--home", str(held.home), *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    (tmp_path / "key").write_text(f"{NEW.hex()}\n{KEY.hex()}")
    assert run() == "Sealed 3 files with the first key; 0 had been already.\n"
    assert json.loads(run("--json")) == {"sealed": 0, "already": 3}
