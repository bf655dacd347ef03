"""A codebook fires within its radii and nowhere else, and what is taken out leaves nothing behind."""

import pytest
import torch

from monogram.editors.codebook import Codebook
from monogram.errors import InputError, UnknownNameError

KEYS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [10.4, 0.0], [0.0, 30.0]], dtype=torch.float64)
VALUES = torch.arange(12, dtype=torch.float64).reshape(4, 3) + 100
BOOK = Codebook("m", KEYS, VALUES, ("a", "b", "c", "c"), 1.0)


def test_an_entry_fires_within_its_radius_only() -> None:
    x = torch.tensor([[[0.0, 0.9], [0.0, 1.0], [0.0, 1.1], [50.0, 50.0]], [[0.0, 30.0]] * 4])
    out = torch.randn(2, 4, 3)
    found = BOOK.changed("m", x, out)
    assert torch.equal(found[0, :2], VALUES[[0, 0]].float())
    assert torch.equal(found[0, 2:], out[0, 2:])
    assert torch.equal(found[1], VALUES[[3] * 4].float())
    assert found.dtype == out.dtype


def test_radii_end_half_way_to_somebody_elses_entry_in_whatever_order() -> None:
    assert BOOK.radii.tolist() == pytest.approx([1.0, 0.2, 0.2, 1.0])
    turned = Codebook("m", KEYS.flip(0), VALUES.flip(0), BOOK.ids[::-1], 1.0)
    assert torch.equal(turned.radii, BOOK.radii.flip(0))
    own = Codebook("m", KEYS, VALUES, ("a", "b", "b", "b"), 1.0)
    assert own.radii.tolist() == [1.0] * 4


def test_what_is_taken_out_by_its_id_was_never_there() -> None:
    left = BOOK.without("c")
    never = Codebook("m", KEYS[:2], VALUES[:2], ("a", "b"), 1.0)
    assert left.digest == never.digest != BOOK.digest
    assert left.radii.tolist() == [1.0, 1.0]
    whole = never + Codebook("m", KEYS[2:], VALUES[2:], ("c", "c"), 1.0)
    assert whole.digest == BOOK.digest
    with pytest.raises(UnknownNameError, match="entry 'd'"):
        BOOK.without("d")


def test_without_entries_nothing_changes() -> None:
    empty, out = Codebook.empty("m", 2, 3, 1.0), torch.randn(1, 4, 3)
    assert empty.changed("m", torch.zeros(1, 4, 2), out) is out
    assert (empty.nbytes, empty.shapes) == (0, {"m": (3, 2)})


def test_no_delta_stands_for_it() -> None:
    with pytest.raises(
        InputError, match=r"codebook .* cannot be kept for a person, nor exported as peft or merged"
    ):
        BOOK.as_delta()
