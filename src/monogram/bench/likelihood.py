"""How likely a model finds given texts: options after a conversation, and plain text.

Rows are padded on the right without a mask: attention is causal, so what stands after a row's end does not
reach it. An ask is computed by itself, so its figures don't depend on what else is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.pad import pad_right
from monogram.patch import Attachable

WINDOW = 512
"""Tokens of plain text that are read at most."""


def options(
    em: EditableModel, prompt: Sequence[int], texts: Sequence[str], delta: Attachable | None
) -> list[tuple[float, int]]:
    """(log-likelihood in nats, tokens) of each text as the answer to a prompt."""
    space = " " if not em.has_template else ""
    ends = [_ids(em, f"{space}{text}") for text in texts]
    # From the prompt's last token on, which predicts an option's first one.
    logs = _logs(em, [[*prompt, *end] for end in ends], delta, keep=max(map(len, ends)) + 1)
    told = [logs[row, : len(end)].gather(-1, torch.tensor(end)[:, None]) for row, end in enumerate(ends)]
    return [(float(row.sum()), len(end)) for row, end in zip(told, ends, strict=True)]


def plain(em: EditableModel, text: str, delta: Attachable | None) -> tuple[float, int]:
    """(negative log-likelihood in nats, tokens that were predicted) of a text's first `WINDOW` tokens, the
    first one given.
    """
    ids = _ids(em, text)[: min(WINDOW, em.context or WINDOW)]
    logs = _logs(em, [ids], delta, keep=len(ids))
    told = logs[0, :-1].gather(-1, torch.tensor(ids[1:])[:, None])
    return -float(told.sum()), len(ids) - 1


def _logs(em: EditableModel, rows: Sequence[Sequence[int]], delta: Attachable | None, *, keep: int) -> Tensor:
    """(B, keep, V) log-probabilities at the last `keep` places of the padded rows, float32 at least."""
    ids, _ = pad_right(rows, em.pad_id)
    extra: dict[str, Any] = {"use_cache": False}
    if "logits_to_keep" in inspect.signature(em.model.forward).parameters:
        extra["logits_to_keep"] = keep
    with attach(em, delta), torch.no_grad():
        logits = em.model(input_ids=ids.to(em.device), **extra).logits[:, -keep:]
    wide: Tensor = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return wide.log_softmax(-1).cpu()


def _ids(em: EditableModel, text: str) -> list[int]:
    return [int(i) for i in em.tokenizer(text, add_special_tokens=False).input_ids]
