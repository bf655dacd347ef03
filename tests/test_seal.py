"""What is sealed is read by the key's owner alone, in its own place, unchanged; everybody else is told."""

from pathlib import Path

import pytest
import torch

from monogram import tensors
from monogram.errors import SealedError, StoreError
from monogram.people import Personalizer
from monogram.preferences import Preference
from monogram.seal import Seal, is_sealed
from monogram.store.store import Store
from tests.store.made import BASE, made

KEY = bytes(range(32))
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
