"""What is learned from whole answers, as losses.

Lesson    prompts with the answers that shall be given: the loss of the answers' tokens alone
Still     prompts with the base model's own answers, which shall stay: the KL of their tokens
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from monogram.editors.lines import Lines, opening
from monogram.editors.said import Said
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.pad import pad_right


class Lesson:
    """Prompts and the answers that shall be given.

    Args:
        lines: what shall be said on what, with a weight for each of the answers' tokens.
        at_once: all of an answer's tokens are asked of the prompt's last token, not each of its own.
        layer: the lowest one that is trained.
    """

    def __init__(self, em: EditableModel, lines: Lines, *, at_once: bool = False, layer: int = 0) -> None:
        self._lines = lines
        self._said = Said(em, lines.prompts, lines.answers, at_once=at_once, layer=layer)

    def __len__(self) -> int:
        return len(self._lines.prompts)

    def loss(self, chosen: Sequence[int]) -> Tensor:
        """Mean over rows of the weighted −log p of their answers' tokens, in nats."""
        return torch.stack([self._loss(*some) for some in self._said.logs(chosen)]).sum() / len(chosen)

    def _loss(self, rows: Sequence[int], scores: Tensor) -> Tensor:
        """The sum over these rows, of which `scores` are the log-probabilities."""
        told = self._lines
        labels, live = (t.to(scores.device) for t in pad_right([told.answers[i] for i in rows]))
        share = torch.zeros(live.shape, dtype=scores.dtype)
        for row, i in enumerate(rows):
            share[row, : len(told.weights[i])] = torch.tensor(told.weights[i], dtype=scores.dtype)
        said = scores.gather(2, labels[:, :, None])[:, :, 0]
        return -(said * share.to(scores.device) * live).sum()


class Still:
    """Conversations that shall go on as the base model goes on with them. It must be made before anything is
    put on the model.

    Args:
        longest: tokens of the model's own answers that are held.
        batch: conversations that run together.
        layer: the lowest one that is trained.
    """

    def __init__(
        self,
        em: EditableModel,
        chats: Sequence[Sequence[Message]],
        *,
        longest: int,
        batch: int,
        layer: int = 0,
    ) -> None:
        said = generate(em, chats, max_new_tokens=longest, batch_size=batch)
        prompts = [em.chat_ids(chat) for chat in chats]
        ends = min(em.eos_ids, default=em.pad_id)
        self.answers = [[*opening(em, text), ends][:longest] for text in said]
        self._said = Said(em, prompts, self.answers, layer=layer)
        self._base: dict[int, Tensor] = {}
        for start in range(0, len(prompts), batch):
            with torch.no_grad():
                for rows, told in self._said.logs(range(len(prompts))[start : start + batch]):
                    for i, row in zip(rows, told, strict=True):
                        self._base[i] = row[: len(self.answers[i])].to(em.dtype)

    def __len__(self) -> int:
        return len(self._base)

    def drift(self, chosen: Sequence[int]) -> Tensor:
        """Mean KL(base ‖ now) over the answers' tokens of these conversations, in nats."""
        return torch.stack([self._drift(*some) for some in self._said.logs(chosen)]).sum() / len(chosen)

    def _drift(self, rows: Sequence[int], now: Tensor) -> Tensor:
        """The sum over these rows, of which `now` are the log-probabilities."""
        base = pad_sequence([self._base[i] for i in rows], batch_first=True).to(now.dtype)
        live = pad_sequence([now.new_full((len(self._base[i]),), 1 / len(self._base[i])) for i in rows], True)
        return ((base.exp() * (base - now)).sum(-1) * live).sum()
