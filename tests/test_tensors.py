"""Tensors come back to the bit with their facts, or not at all."""

import errno
import stat
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.errors import DiskFullError
from monogram.seal import Seal
from monogram.tensors import load, once, own, save

NUMBERS = {
    "one": torch.randn(3, 4, dtype=torch.float64),
    "half": torch.randn(5).bfloat16(),
    "none": torch.zeros(0, 7),
    "turned": torch.arange(6.0).reshape(2, 3).T,
}
ALIGNED = 64
"""Bytes: where PyTorch's allocator begins on the processor."""


def test_what_was_written_comes_back_to_the_bit(tmp_path: Path) -> None:
    save(tmp_path / "a", NUMBERS, {"who": "🦊"})
    found = load(tmp_path / "a")
    assert found is not None
    assert found[1] == {"who": "🦊"}
    assert set(found[0]) == set(NUMBERS)
    for name, tensor in NUMBERS.items():
        assert found[0][name].dtype == tensor.dtype
        assert torch.equal(found[0][name], tensor)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("sealed", [False, True])
def test_what_is_read_lies_where_what_is_found_would_lie(tmp_path: Path, sealed: bool) -> None:
    """Last bits of products hang on it on some processors."""
    seal = Seal(b"k" * 32) if sealed else None
    for more in range(8):  # the header's length moves all that follows
        file = tmp_path / f"{more}.safetensors"
        save(
            file,
            {"a": torch.ones(3), "b": torch.ones(5), "c": torch.ones(2)},
            {"x": "y" * 8 * more},
            seal=seal,
        )
        found = load(file, seal=seal)
        assert found is not None
        assert {tensor.data_ptr() % ALIGNED for tensor in found[0].values()} == {0}
    table = torch.arange(40.0).view(5, 8)
    for view in (table[1], table.T[3], table[:, 2:4]):
        made = once(tmp_path / "once.safetensors", "rows", lambda view=view: view)
        assert made.data_ptr() % ALIGNED == own(view).data_ptr() % ALIGNED == 0
        assert made.is_contiguous()
        (tmp_path / "once.safetensors").unlink()


def test_only_what_is_private_is_for_its_owner_alone(tmp_path: Path) -> None:
    save(tmp_path / "a", NUMBERS, private=True)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_a_change_of_a_fact_or_number_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save(path, NUMBERS, {"who": "Kim"})
    whole = path.read_bytes()
    for before, after in ((b"Kim", b"Tim"), (whole[-4:], bytes(4)), (b"half", b"hall")):
        path.write_bytes(whole.replace(before, after))
        assert load(path) is None
    assert load(tmp_path / "nowhere") is None


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    save(path, NUMBERS)
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFullError, match="Make room"):
        save(path, {"one": torch.ones(1)})
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a"]
