"""How far an edit moves the model where nobody asked about the person: the next token at the answer's start.

Prompts of equal length run together, each row under its own delta, so nothing is padded: a row is
computed the same way for the base model and for an edit.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from monogram.bench.items import Item
from monogram.bench.methods import Prepared
from monogram.delta import Delta
from monogram.models.attach import attach
from monogram.models.editable import EditableModel


def next_token(
    em: EditableModel, rows: Sequence[Sequence[int]], deltas: Sequence[Delta | None], batch_size: int = 16
) -> Iterator[tuple[int, Tensor]]:
    """(index of the row, log-probabilities of the next token (V,), float64), in no particular order.

    Args:
        em: the model.
        rows: tokens of the prompts.
        deltas: one per row; None for the base model.
        batch_size: rows that run together.
    """
    takes = inspect.signature(em.model.forward).parameters
    extra = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)
    while order:
        length = len(rows[order[0]])
        batch = [i for i in order[:batch_size] if len(rows[i]) == length]
        order = order[len(batch) :]
        ids = torch.tensor([list(rows[i]) for i in batch], dtype=torch.long, device=em.device)
        with attach(em, [deltas[i] for i in batch]), torch.no_grad():
            logits = em.model(input_ids=ids, use_cache=False, **extra).logits[:, -1]  # (B, V)
        yield from zip(batch, logits.double().log_softmax(-1).cpu(), strict=True)


def compared(base: Tensor, edited: Tensor) -> tuple[float, bool]:
    """KL(base ‖ edited) in nats, and whether both have the same likeliest token.

    Args:
        base: log-probabilities (V,) of the base model.
        edited: log-probabilities (V,) with the edit.
    """
    kl = float((base.exp() * (base - edited)).sum())
    return max(kl, 0.0), int(base.argmax()) == int(edited.argmax())


@dataclass(frozen=True)
class Drift:
    """One preference's drift, prompt by prompt."""

    kl: tuple[float, ...]
    """KL(base ‖ edited) of the next token, in nats."""
    agrees: tuple[bool, ...]
    """Whether the likeliest next token is the base model's."""

    def as_record(self) -> dict[str, Any]:
        """Plain data, for raw.jsonl."""
        return {"kl": list(self.kl), "agrees": list(self.agrees)}


class DriftProbe:
    """The drift prompts, with the base model's next token on each, taken once.

    Args:
        model: the base model.
        prompts: what is asked; each is one message of the user.
        batch_size: rows that run together.
    """

    def __init__(self, model: EditableModel, prompts: Sequence[str], batch_size: int = 16) -> None:
        self.model = model
        self.chats = [[{"role": "user", "content": text}] for text in prompts]
        self.batch_size = batch_size

    @cached_property
    def _base(self) -> dict[int, Tensor]:
        rows = [self.model.chat_ids(chat) for chat in self.chats]
        return dict(next_token(self.model, rows, [None] * len(rows), self.batch_size))

    def measure(self, ready: Sequence[tuple[Item, Prepared]]) -> Iterator[tuple[Item, Drift]]:
        """The drift of each, in order. What leaves model and prompt alone is not run: its drift is 0."""
        found: dict[int, dict[int, tuple[float, bool]]] = defaultdict(dict)
        rows: list[list[int]] = []
        owners: list[tuple[int, int]] = []  # place in `ready`, place of the prompt
        for prompt, before in enumerate(self.chats):
            for place, (_, prepared) in enumerate(ready):
                after = prepared.wrap(before)
                if prepared.delta is None and after == before:
                    found[place][prompt] = (0.0, True)
                else:
                    rows.append(self.model.chat_ids(after))
                    owners.append((place, prompt))
        deltas = [ready[place][1].delta for place, _ in owners]
        for row, edited in next_token(self.model, rows, deltas, self.batch_size):
            place, prompt = owners[row]
            found[place][prompt] = compared(self._base[prompt], edited)
        for place, (item, _) in enumerate(ready):
            told = [found[place][prompt] for prompt in range(len(self.chats))]
            yield item, Drift(tuple(kl for kl, _ in told), tuple(same for _, same in told))
