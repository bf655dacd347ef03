"""How far an edit moves the model where nobody asked about the person: the next token at the answer's start.

All prompts run together, in the same way for the base model and for an edit.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from monogram.drift import agree
from monogram.models.ahead import Ahead
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.patch import Attachable

Rows = tuple[tuple[int, ...], ...]


def compared(base: Tensor, edited: Tensor) -> tuple[float, bool]:
    """KL(base ‖ edited) in nats, and whether both have the same likeliest token (`monogram.drift.agree`).

    Args:
        base: log-probabilities (V,) of the base model.
        edited: log-probabilities (V,) with the edit.
    """
    kl = float((base.exp() * (base - edited)).sum())
    return max(kl, 0.0), bool(agree(base, edited))


class NextToken:
    """The next token after conversations, held against the base model's, which is taken once.

    Args:
        model: the base model.
    """

    def __init__(self, model: EditableModel) -> None:
        self.model = model
        self._known: dict[Rows, tuple[Ahead, Tensor]] = {}

    def measure(
        self, chats: Sequence[Sequence[Message]], delta: Attachable | None, put: Sequence[Sequence[Message]]
    ) -> list[tuple[float, bool]]:
        """(KL(base ‖ changed) in nats, whether the likeliest token is the base model's), chat by chat.

        Args:
            chats: conversations as the base model is given them.
            delta: what the model is changed by.
            put: the same conversations as the method puts them.

        What leaves model and conversation alone is not run: it is (0, True).
        """
        before = tuple(tuple(self.model.chat_ids(chat)) for chat in chats)
        after = tuple(tuple(self.model.chat_ids(chat)) for chat in put)
        if delta is None and after == before:
            return [(0.0, True)] * len(chats)
        ahead, base = self._base(before)
        changed = (ahead if after == before else Ahead(self.model, after)).logprobs(delta)
        return [compared(*pair) for pair in zip(base, changed, strict=True)]

    def _base(self, rows: Rows) -> tuple[Ahead, Tensor]:
        if rows not in self._known:
            ahead = Ahead(self.model, rows)
            self._known[rows] = ahead, ahead.logprobs()
        return self._known[rows]
