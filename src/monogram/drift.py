"""Drift: what an edit does to the next word on prompts that have nothing to do with the person."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from monogram.clusters.corpus import unrelated_probes
from monogram.delta import Delta
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.pad import pad_left

UNRELATED = 24
"""How many unrelated prompts drift is measured on."""


def drift(model: EditableModel, delta: Delta, *, base: EditableModel | None = None) -> tuple[float, float]:
    """(mean KL of base from edited in nats, agreement of the likeliest token) on unrelated prompts.

    Args:
        base: the model before the edit, where `model` has one in its weights.
    """
    prompts = unrelated_probes()[:UNRELATED]
    before, edited = (_first_token(m, prompts, d) for m, d in ((base or model, None), (model, delta)))
    kl = (before.exp() * (before - edited)).sum(-1).mean()
    return float(kl), float(agree(before, edited).double().mean())


def agree(before: Tensor, after: Tensor) -> Tensor:
    """(...) whether the likeliest token is the same, of log-probabilities (..., V).

    Where several are the likeliest to the bit, as happens once in thirty prompts in bfloat16, one that is
    so on both sides is enough: which of them greedy decoding takes is no doing of the edit's.
    """
    both = (before == before.amax(-1, keepdim=True)) & (after == after.amax(-1, keepdim=True))
    return both.any(-1)


def _first_token(model: EditableModel, prompts: Sequence[str], delta: Delta | None) -> Tensor:
    """(n, vocabulary) log-probabilities of the answers' first token, float64."""
    out = []
    last = (
        {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.model.forward).parameters else {}
    )
    for prompt in prompts:
        ids, _ = pad_left([model.chat_ids(prompt)])
        with torch.no_grad(), attach(model, delta):
            logits = model.model(input_ids=ids.to(model.device), **last).logits
        out.append(logits[0, -1].double().log_softmax(-1))
    return torch.stack(out)
