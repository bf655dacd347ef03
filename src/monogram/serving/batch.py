"""A running batch: rows of different people that come and go between steps.

Rows are padded on the left, so all of them end at the same column. A row that joins brings its keys and
values along; one that leaves takes them away, and columns that nobody needs any more go with it. What a row
is given hangs on no other row, but for the last bits of sums.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.pad import pad_left
from monogram.patch import Attachable
from monogram.serving.sampling import Sampling, choose, generator


@dataclass(eq=False)
class Row:
    """One answer that is being written.

    Attributes:
        ids: tokens of the prompt.
        owner: what is on the model for it; None for the base model.
        sampling: how its tokens are chosen.
    """

    ids: Sequence[int]
    owner: Attachable | None
    sampling: Sampling
    draw: torch.Generator | None = field(init=False)

    def __post_init__(self) -> None:
        self.draw = generator(self.sampling)


class Batch:
    """Rows that run together on a model. Make one with `begin`; `close` it when it is done with."""

    def __init__(
        self, em: EditableModel, rows: Sequence[Row], cache: DynamicCache, mask: Tensor, tokens: list[int]
    ) -> None:
        self.em = em
        self.rows = list(rows)
        self.tokens = tokens
        """The last token of each row, which the next step reads."""
        self._cache = cache
        self._mask = mask
        self._takes = inspect.signature(em.model.forward).parameters
        self._on: ExitStack | None = None

    @classmethod
    def begin(cls, em: EditableModel, rows: Sequence[Row]) -> Batch:
        """Read the prompts and choose the first token of each row. Nothing else may be on the model."""
        ids, mask = (t.to(em.device) for t in pad_left([row.ids for row in rows], em.pad_id))
        cache = DynamicCache()  # made without the model's config, it forgets nothing, so others can join
        batch = cls(em, rows, cache, mask, [])
        with attach(em, [row.owner for row in rows]):
            batch.tokens = batch._run(ids, (mask.cumsum(-1) - 1).clamp(min=0))
        return batch

    def step(self) -> list[int]:
        """The next token of each row."""
        if self._on is None:
            self._on = ExitStack()
            self._on.enter_context(attach(self.em, [row.owner for row in self.rows]))
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], 1)
        ids = torch.tensor(self.tokens, device=self.em.device)[:, None]
        self.tokens = self._run(ids, self._mask.sum(-1, keepdim=True) - 1)
        return self.tokens

    def keep(self, places: Sequence[int]) -> None:
        """Let all other rows go."""
        if len(places) == len(self.rows):
            return
        self.close()
        chosen = torch.tensor(places, dtype=torch.long, device=self.em.device)
        self.rows, self.tokens = [self.rows[p] for p in places], [self.tokens[p] for p in places]
        self._cache.batch_select_indices(chosen)
        self._mask = self._mask[chosen]
        if places:
            self._trim()

    def join(self, other: Batch) -> None:
        """Take another batch's rows in, after one's own; the other is not to be used any more."""
        self.close()
        wide = max(self._mask.shape[1], other._mask.shape[1])
        for mine, theirs in zip(self._cache.layers, other._cache.layers, strict=True):
            for part in ("keys", "values"):
                both = [_widened(getattr(layer, part), wide, dim=-2) for layer in (mine, theirs)]
                setattr(mine, part, torch.cat(both, 0))
        self._mask = torch.cat([_widened(one._mask, wide, dim=-1) for one in (self, other)], 0)
        self.rows += other.rows
        self.tokens += other.tokens

    def close(self) -> None:
        """Take everything off the model."""
        if self._on is not None:
            self._on.close()
        self._on = None

    def _run(self, ids: Tensor, positions: Tensor) -> list[int]:
        """Run tokens (B, T) after what is in the cache, and choose those that follow."""
        told = {"attention_mask": self._mask, "position_ids": positions, "logits_to_keep": 1}
        told = {name: value for name, value in told.items() if name in self._takes}
        with torch.no_grad():
            logits = self.em.model(input_ids=ids, past_key_values=self._cache, use_cache=True, **told).logits
        return choose(logits[:, -1], [row.sampling for row in self.rows], [row.draw for row in self.rows])

    def _trim(self) -> None:
        """Drop the columns in which nobody has a token."""
        spare = self._mask.shape[1] - int(self._mask.sum(-1).max())
        if spare:
            self._mask = self._mask[:, spare:]
            for layer in self._cache.layers:
                for part in ("keys", "values"):
                    setattr(layer, part, getattr(layer, part)[..., spare:, :])


def _widened(part: Tensor, wide: int, dim: int) -> Tensor:
    """With zeros put before, so that it has `wide` columns."""
    more = wide - part.shape[dim]
    return pad(part, (0, 0, more, 0) if dim == -2 else (more, 0)) if more else part
