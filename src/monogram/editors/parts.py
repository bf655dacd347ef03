"""The rows of a value step, dealt into parts that take turns: a step's work is a part's, what is learned is
all rows'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from monogram.models.editable import EditableModel
from monogram.models.head import likeliest
from monogram.models.plain import Plain
from monogram.models.prefix import picked
from monogram.models.tail import Tail, check_pairs
from monogram.models.trace import capture

LEAST = 4
"""Rows that a part has at least; fewer are too few to point the way."""


@dataclass(frozen=True)
class Pairs:
    """Prompts, their answers, and what `value_step` says of them."""

    prompts: Sequence[Sequence[int]]
    answers: Sequence[Sequence[int]]
    context: Sequence[int] | None = None
    weights: Sequence[Sequence[float]] | None = None

    def of(self, places: Sequence[int]) -> Pairs:
        """Some of them."""
        return Pairs(
            [self.prompts[b] for b in places],
            [self.answers[b] for b in places],
            None if self.context is None else [self.context[b] for b in places],
            None if self.weights is None else [self.weights[b] for b in places],
        )


class Part:
    """Some of the rows: their answers' tokens, what each counts, and what the model writes there now.

    Attributes:
        written: (B, d_out) float64, the MLP's own output at each row's lookup position.
    """

    def __init__(
        self, em: EditableModel, layer: int, rows: Pairs, read: DynamicCache | None, fast: bool
    ) -> None:
        name = em.names(layer)["down"]
        layers = cast(nn.ModuleList, em.module(em.layout.layers))
        place = (em.model, layers, em.module(name), layer, rows.prompts, rows.answers)
        self._tail: Tail | Plain = (
            Tail(*place, context=rows.context, read=read) if fast else Plain(*place, context=rows.context)
        )
        labels = self._tail.labels
        where = labels != -100
        self._labels, self._share = labels[where], _shares(labels, rows.weights)[where] / len(labels)
        self._near: Tensor | None = None  # the tokens that stand for the vocabulary
        with torch.no_grad(), capture(em, {name: "output"}) as seen:
            self._tail.scored(tokens=self._labels[:1])
        self.written = seen[name][torch.arange(len(labels), device=em.device), self._tail.at].double()

    def __len__(self) -> int:
        return len(self._tail.labels)

    def whole(self, added: Tensor, likely: int | None = None) -> Tensor:
        """Mean over rows, in nats, with (B, d_out) added, by all of the vocabulary; its `likely` likeliest
        tokens stand for it from now on.
        """
        logits = self._tail.scored(added)
        self._near = None if likely is None else likeliest(logits, self._labels, likely)
        return self._loss(logits, None)

    def near(self, added: Tensor) -> Tensor:
        """The same by the tokens that stand for the vocabulary, where some do."""
        return self._loss(self._tail.scored(added, tokens=self._near), self._near)

    def _loss(self, logits: Tensor, tokens: Tensor | None) -> Tensor:
        places = self._labels if tokens is None else torch.searchsorted(tokens, self._labels)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return (cross_entropy(logits, places, reduction="none") * self._share).sum()


def dealt(
    em: EditableModel, layer: int, rows: Pairs, count: int, *, read: DynamicCache | None, fast: bool
) -> list[Part]:
    """`count` parts, or fewer where rows are few; row after row goes to the next part, around and around.

    Args:
        read, fast: as in `value_step`.

    Raises:
        InputError: as `Tail`'s.
    """
    check_pairs(rows.prompts, rows.answers, rows.context or [0] * len(rows.answers))
    count = max(1, min(count, len(rows.prompts) // LEAST))
    turns = [range(turn, len(rows.prompts), count) for turn in range(count)]
    parts = [Part(em, layer, rows.of(turn), _read(read, rows, turn), fast) for turn in turns]
    if read is not None:
        read.layers.clear()  # what is still wanted of it, the parts have
    return parts


def _read(read: DynamicCache | None, rows: Pairs, turn: Sequence[int]) -> DynamicCache | None:
    if read is None or len(turn) == len(rows.prompts):
        return read
    return picked(read, turn, max(len(rows.prompts[b]) for b in turn) - 1)


def _shares(labels: Tensor, weights: Sequence[Sequence[float]] | None) -> Tensor:
    """(B, T) how much each label's loss counts; rows without weights share 1 evenly."""
    live = (labels != -100).float()
    if weights is None:
        return live / live.sum(1, keepdim=True)
    share = torch.zeros_like(live)
    for b, row in enumerate(weights):
        share[b, : len(row)] = torch.tensor(row, device=live.device)
    return share * live
