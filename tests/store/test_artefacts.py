"""An artefact comes back to the bit or not at all, and what is removed is gone."""

import errno
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from monogram.errors import InputError, StoreError
from monogram.store.artefacts import Artefacts, Shelf

ONE, OTHER, NAME = "a" * 64, "b" * 64, "c" * 32
NUMBERS = {"gate": torch.randn(5, dtype=torch.float64), "losses": torch.tensor([0.1, 0.2]).double()}


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path / "home" / "artefacts")


@pytest.fixture
def shelf(artefacts: Artefacts) -> Shelf:
    made = artefacts.of("alice")
    made.write(ONE, NAME, NUMBERS)
    return made


def there(shelf: Shelf) -> list[Path]:
    return [path for path in shelf.folder.rglob("*") if path.is_file()]


def same(found: dict[str, torch.Tensor] | None) -> bool:
    return (
        found is not None
        and set(found) == set(NUMBERS)
        and all(torch.equal(found[name], NUMBERS[name]) for name in found)
    )


def test_what_is_kept_comes_back_to_the_bit(shelf: Shelf, artefacts: Artefacts) -> None:
    assert same(shelf.read(ONE, NAME))
    assert same(artefacts.of("alice").read(ONE, NAME))
    assert artefacts.of("bob").read(ONE, NAME) is None
    assert shelf.read(OTHER, NAME) is None
    assert shelf.read(ONE, "d" * 32) is None


@pytest.mark.parametrize("user", ["../../escape", "/etc/passwd", "a/b", "CON", "🦊", "x" * 200])
def test_no_path_is_made_of_a_users_id(artefacts: Artefacts, user: str) -> None:
    artefacts.of(user).write(ONE, NAME, NUMBERS)
    (path,) = artefacts.root.rglob("*.safetensors")
    person, cluster, name = path.relative_to(artefacts.root).parts
    assert (len(person), cluster, name) == (32, ONE, f"{NAME}.safetensors")
    assert set(person) <= set("0123456789abcdef")


@pytest.mark.parametrize("bad", ["../up", "", "A" * 64, "a" * 65, "a/b"])
def test_names_are_digests(shelf: Shelf, bad: str) -> None:
    with pytest.raises(InputError, match="hex digits"):
        shelf.write(bad, NAME, NUMBERS)
    with pytest.raises(InputError, match="hex digits"):
        shelf.read(ONE, bad)


def test_it_is_the_owners_alone(shelf: Shelf, artefacts: Artefacts) -> None:
    (path,) = there(shelf)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (artefacts.root, shelf.folder, path.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_cut_off_or_changed_is_not_read(shelf: Shelf) -> None:
    (path,) = there(shelf)
    whole = path.read_bytes()
    for length in (0, 1, 9, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert shelf.read(ONE, NAME) is None
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = shelf.read(ONE, NAME)
        assert found is None or same(found)  # a bit of the header may be a blank
    path.write_bytes(whole)
    assert same(shelf.read(ONE, NAME))


def test_what_was_moved_or_made_by_others_is_not_read(shelf: Shelf) -> None:
    (path,) = there(shelf)
    elsewhere = shelf.folder / OTHER / path.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(path.read_bytes())
    assert shelf.read(OTHER, NAME) is None
    save_file(NUMBERS, path)
    assert shelf.read(ONE, NAME) is None
    path.unlink()
    path.mkdir()
    assert shelf.read(ONE, NAME) is None


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EACCES])
def test_what_cannot_be_written_is_not_kept_and_leaves_nothing(
    artefacts: Artefacts, trouble: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise OSError(trouble, "no")

    monkeypatch.setattr("os.fsync", refuses)
    made = artefacts.of("alice")
    made.write(ONE, NAME, NUMBERS)
    assert there(made) == []
    assert made.read(ONE, NAME) is None


def test_only_what_is_named_stays(shelf: Shelf, artefacts: Artefacts) -> None:
    shelf.write(OTHER, NAME, NUMBERS)
    bob = artefacts.of("bob")
    bob.write(ONE, NAME, NUMBERS)
    shelf.only([OTHER])
    assert shelf.read(ONE, NAME) is None
    assert not (shelf.folder / ONE).exists()
    assert same(shelf.read(OTHER, NAME))
    shelf.clear()
    assert not shelf.folder.exists()
    assert same(bob.read(ONE, NAME))
    shelf.clear()
    shelf.only([])  # nothing to remove is nothing to complain of


def test_what_cannot_be_removed_is_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuses)
    for remove in (shelf.clear, lambda: shelf.only([])):
        with pytest.raises(StoreError, match="could not be removed: Permission denied"):
            remove()
