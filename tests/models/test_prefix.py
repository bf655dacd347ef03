"""Prompts are read once, and what is read is what each of them alone gives."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from monogram.models import prefix
from monogram.models.prefix import lightened, picked, read_prefix
from tests import tiny

KINDS = (*tiny.TABLE, "stablelm")
FLOAT32_SOFTMAX = ("gemma2", "gptj")
LENGTHS = [8, 0, 16, 30, 3, 28]


def rows(lengths: list[int], *, seed: int = 0, start: tuple[int, ...] = ()) -> list[list[int]]:
    rng = torch.Generator().manual_seed(seed)
    return [[*start, *torch.randint(5, tiny.VOCAB, (n,), generator=rng).tolist()] for n in lengths]


START = tuple(rows([40], seed=5)[0])


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """Of all that runs through the model."""
    seen: list[tuple[int, ...]] = []
    extend = prefix._extend

    def watched(hf: Any, cache: DynamicCache, ids: torch.Tensor) -> None:
        seen.append(tuple(ids.shape))
        extend(hf, cache, ids)

    monkeypatch.setattr(prefix, "_extend", watched)
    return seen


@pytest.mark.parametrize("start", [(), START], ids=["nothing in common", "a common start"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_row_reads_as_it_does_alone(kind: str, start: tuple[int, ...]) -> None:
    model, prompts = tiny.model(kind), rows(LENGTHS, start=start)
    bound = 1e-6 if kind in FLOAT32_SOFTMAX else 1e-12
    with torch.no_grad():
        whole = read_prefix(model, prompts)
        for b, row in enumerate(prompts):
            for among, alone in zip(whole.layers, read_prefix(model, [row]).layers, strict=False):
                for name in ("keys", "values"):
                    own = getattr(among, name)[b, :, among.keys.shape[2] - len(row) :]
                    torch.testing.assert_close(own, getattr(alone, name)[0], rtol=0, atol=bound)


def test_a_start_that_all_prompts_share_runs_once(shapes: list[tuple[int, ...]]) -> None:
    with torch.no_grad():
        read_prefix(tiny.model(), rows([8, 8, 12], start=START))
        assert shapes == [(1, 40), (3, 12)]
        shapes.clear()
        read_prefix(tiny.model(), rows([8, 8], start=START[:20]))
    assert shapes == [(2, 28)], "too little is saved for a pass of its own"


def test_a_start_that_some_prompts_share_runs_once_for_these(shapes: list[tuple[int, ...]]) -> None:
    one, other = rows([8, 8, 12], start=START), rows([9, 11], seed=1, start=tuple(rows([70], seed=6)[0]))
    mixed = [one[0], other[0], *rows([20], seed=2), one[1], other[1], one[2]]
    with torch.no_grad():
        whole = read_prefix(tiny.model(), mixed)
        assert shapes == [(1, 40), (3, 12), (1, 70), (2, 11), (1, 20)]
        for b, row in enumerate(mixed):  # in the order given
            alone = read_prefix(tiny.model(), [row]).layers[-1]
            torch.testing.assert_close(whole.layers[-1].keys[b, :, -len(row) :], alone.keys[0])


def test_a_long_prompt_pads_no_short_one(shapes: list[tuple[int, ...]]) -> None:
    with torch.no_grad():
        read_prefix(tiny.model(), rows([10, 60, 14, 9]))
    assert shapes == [(3, 14), (1, 60)]


def test_without_a_token_nothing_is_read() -> None:
    assert read_prefix(tiny.model(), [[], []]).get_seq_length() == 0
    with torch.no_grad():
        assert read_prefix(tiny.model(), [*rows([8, 8, 12], start=START), []]).get_seq_length() == 52


@pytest.mark.parametrize("kind", KINDS)
def test_some_rows_of_what_was_read_are_as_if_they_alone_were_read(kind: str) -> None:
    em, all_rows = tiny.editable(kind), rows(LENGTHS)
    with torch.no_grad():
        whole = read_prefix(em.model, all_rows)
        before = [layer.keys.clone() for layer in whole.layers]
        some, alone = picked(whole, [0, 4], 8), read_prefix(em.model, [all_rows[0], all_rows[4]])
    close = {"rtol": 1e-5, "atol": 1e-6} if kind in FLOAT32_SOFTMAX else {"rtol": 1e-10, "atol": 1e-10}
    for one, other in zip(some.layers, alone.layers, strict=True):
        for a, b in ((one.keys, other.keys), (one.values, other.values)):
            assert a.shape == b.shape
            torch.testing.assert_close(a[0], b[0], **close)
            torch.testing.assert_close(a[1, :, -3:], b[1, :, -3:], **close)
    assert all(torch.equal(layer.keys, kept) for layer, kept in zip(whole.layers, before, strict=True))


def test_of_layers_below_just_the_length_is_kept() -> None:
    em = tiny.editable()
    with torch.no_grad():
        whole = read_prefix(em.model, rows(LENGTHS))
    light = lightened(whole, 2)
    assert light.get_seq_length() == whole.get_seq_length() == max(LENGTHS)
    assert [layer.keys.numel() for layer in light.layers[:2]] == [max(LENGTHS)] * 2
    for ours, theirs in zip(light.layers[2:], whole.layers[2:], strict=True):
        assert ours.keys is theirs.keys
        assert ours.values is theirs.values
    assert whole.layers[0].keys.shape[0] == len(LENGTHS), "what was read stays as it is"
