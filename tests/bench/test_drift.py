"""Drift is the KL divergence of the next token and the agreement of the likeliest one."""

import math

import pytest
import torch

from monogram.bench.drift import DriftProbe, compared, next_token
from monogram.bench.methods import Prepared
from monogram.models.attach import attach
from tests import tiny
from tests.bench.fakes import DRIFT, Shift, prompted
from tests.bench.records import item


def test_the_divergence_is_the_one_of_the_book() -> None:
    base, edited = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.25, 0.5, 0.25]).log()
    kl, agrees = compared(base, edited)
    assert kl == pytest.approx(0.5 * math.log(2) + 0.3 * math.log(0.6) + 0.2 * math.log(0.8), abs=1e-6)
    assert agrees is False
    assert compared(base, base) == (0.0, True)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gptj", "gemma3_text"])
def test_rows_in_batches_are_those_of_each_row_alone(kind: str) -> None:
    em = tiny.editable(kind)
    rows = [em.chat_ids(text) for text in (*DRIFT, "Name a raven.")]
    shift = Shift(em)
    deltas = [None, shift.prepare(item(index=1)).delta, None, shift.prepare(item(index=2)).delta]
    found = dict(next_token(em, rows, deltas, batch_size=3))
    assert sorted(found) == [0, 1, 2, 3]
    for i, row in enumerate(rows):
        with attach(em, deltas[i]), torch.no_grad():
            alone = em.model(torch.tensor([row])).logits[0, -1].log_softmax(-1)
        assert torch.allclose(found[i], alone, atol=1e-10)


def test_items_are_told_apart_and_nothing_is_run_for_the_base_model() -> None:
    em = tiny.editable()
    shift, items = Shift(em), [item(index=1), item(index=2)]
    probe = DriftProbe(em, DRIFT)
    ready: list[Prepared] = [shift.prepare(items[0]), prompted("none").prepare(items[1])]
    found = dict(
        zip((1, 2), (drift for _, drift in probe.measure(list(zip(items, ready, strict=True)))), strict=True)
    )
    assert found[2].kl == (0.0,) * len(DRIFT)
    assert all(kl > 0 for kl in found[1].kl)
    alone = [drift for _, drift in DriftProbe(em, DRIFT, batch_size=1).measure([(items[0], ready[0])])]
    assert found[1].kl == pytest.approx(alone[0].kl)
