"""How far an edit moves the model where nobody asked about the person: the next token at the answer's start.

Prompts of equal length run together, each row under its own delta, so nothing is padded: a row is
computed the same way for the base model and for an edit.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from monogram.bench.methods import Wrap
from monogram.delta import Delta
from monogram.models.attach import attach
from monogram.models.chat import Message
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


class NextToken:
    """The next token after conversations, held against the base model's, which is taken once.

    Args:
        model: the base model.
        batch_size: rows that run together.
    """

    def __init__(self, model: EditableModel, batch_size: int = 16) -> None:
        self.model = model
        self.batch_size = batch_size
        self._base: dict[tuple[int, ...], Tensor] = {}

    def measure(
        self, chats: Sequence[Sequence[Message]], delta: Delta | None, wrap: Wrap
    ) -> list[tuple[float, bool]]:
        """(KL(base ‖ changed) in nats, whether the likeliest token is the base model's), chat by chat.

        What leaves model and conversation alone is not run: it is (0, True).
        """
        found = [(0.0, True)] * len(chats)
        before = [self.model.chat_ids(chat) for chat in chats]
        after = [self.model.chat_ids(wrap(chat)) for chat in chats]
        left = [i for i in range(len(chats)) if delta is not None or after[i] != before[i]]
        fresh = [before[i] for i in left if tuple(before[i]) not in self._base]
        for row, logs in next_token(self.model, fresh, [None] * len(fresh), self.batch_size):
            self._base[tuple(fresh[row])] = logs
        rows = [after[i] for i in left]
        for row, logs in next_token(self.model, rows, [delta] * len(rows), self.batch_size):
            found[left[row]] = compared(self._base[tuple(before[left[row]])], logs)
        return found
