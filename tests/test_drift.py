"""Drift is what the definition says, prompt by prompt."""

import pytest
import torch

from monogram import drift as room
from monogram.bench.drift import compared
from monogram.clusters.corpus import unrelated_probes
from monogram.delta import Delta, LowRank
from monogram.models.attach import attach
from tests import tiny


def test_drift_is_that_of_the_next_word_prompt_by_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "UNRELATED", 5)
    em = tiny.editable()
    rng = torch.Generator().manual_seed(3)
    left = 0.05 * torch.randn(em.width, 1, generator=rng, dtype=torch.float64)
    right = torch.randn(1, em.inner, generator=rng, dtype=torch.float64)
    change = Delta({em.names(1)["down"]: LowRank(left, right)})
    kl, same = [], []
    for prompt in unrelated_probes()[:5]:
        ids = torch.tensor([em.chat_ids(prompt)])
        with torch.no_grad():
            p = em.model(ids).logits[0, -1].softmax(-1)
            with attach(em, change):
                q = em.model(ids).logits[0, -1].softmax(-1)
        kl.append(float((p * (p / q).log()).sum()))
        same.append(float(p.argmax() == q.argmax()))
    found = room.drift(em, change)
    assert found == (pytest.approx(sum(kl) / 5, rel=1e-6), sum(same) / 5)
    assert found[0] > 1e-6
    assert room.drift(em, Delta.zero()) == (0.0, 1.0)


def test_a_tie_that_any_change_breaks_is_no_disagreement() -> None:
    """bfloat16 has some: logits of 16 and more stand .125 apart."""
    ties = torch.tensor([[2.0, 2.0, 1.0], [2.0, 2.0, 1.0], [2.0, 1.0, 0.0], [1.0, 3.0, 3.0]])
    after = torch.tensor([[2.0, 2.125, 1.0], [2.0, 2.0, 3.0], [2.0, 2.125, 0.0], [3.0, 2.0, 3.0]])
    before = ties.bfloat16().double().log_softmax(-1)
    now = after.bfloat16().double().log_softmax(-1)
    assert room.agree(before, now).tolist() == [True, False, False, True]
    assert compared(before[0], now[0])[1]
