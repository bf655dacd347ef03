"""Drift is the KL divergence of the next token and the agreement of the likeliest one."""

import math

import pytest
import torch

from monogram.bench.asks import said
from monogram.bench.drift import NextToken, compared
from monogram.bench.facts import fact
from tests import tiny
from tests.bench.fakes import prompted
from tests.bench.records import item
from tests.models.test_attach import delta_for

DRIFT = ("Why is the sky blue?", "Name a river.", "2 + 2?")


def test_the_divergence_is_the_one_of_the_book() -> None:
    base, edited = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.25, 0.5, 0.25]).log()
    kl, agrees = compared(base, edited)
    assert kl == pytest.approx(0.5 * math.log(2) + 0.3 * math.log(0.6) + 0.2 * math.log(0.8), abs=1e-6)
    assert agrees is False
    assert compared(base, base) == (0.0, True)


def test_what_leaves_the_model_alone_drifts_nowhere_and_is_not_run() -> None:
    em = tiny.editable()
    probe = NextToken(em)
    chats = [said(text) for text in DRIFT]
    delta = delta_for(em, 1)
    assert probe.measure(chats, None, chats) == [(0.0, True)] * len(DRIFT)
    moved = [kl for kl, _ in probe.measure(chats, delta, chats)]
    assert min(moved) > 0
    alone = [NextToken(em).measure([chat], delta, [chat])[0][0] for chat in chats]
    assert moved == pytest.approx(alone)
    reminder = prompted("reminder").prepare([fact(item())])
    assert min(kl for kl, _ in probe.measure(chats, None, [reminder.wrap(chat) for chat in chats])) > 0
