"""The next token after prompts, under one delta after another: only what a delta can change is run again.

What all prompts begin with runs once for all of them, and layers below the lowest one that a delta changes
answer from a recording. What runs is the model's own code, as in `tail`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from monogram.errors import InputError
from monogram.models.attach import attach
from monogram.models.below import answered, recorded
from monogram.models.editable import EditableModel
from monogram.models.head import at_labels
from monogram.models.pad import pad_right
from monogram.models.prefix import alike, common_start, copied
from monogram.patch import Attachable, shapes_of


class Ahead:
    """Prompts whose next token is asked for.

    Args:
        em: the model.
        rows: n token lists, none empty.
        batch_size: rows that run together at most.

    Raises:
        InputError: an empty prompt.
    """

    def __init__(self, em: EditableModel, rows: Sequence[Sequence[int]], batch_size: int = 32) -> None:
        if not all(map(len, rows)):
            raise InputError("A prompt without a token was given; each needs one at least.")
        self._em = em
        self._layers = cast(nn.ModuleList, em.module(em.layout.layers))
        common = min(common_start(rows), min(map(len, rows), default=1) - 1)  # each keeps a token of its own
        rest = [list(row[common:]) for row in rows]
        self._groups = [
            group[at : at + batch_size]
            for group in alike([len(row) for row in rest])
            for at in range(0, len(group), batch_size)
        ]
        self._start = torch.tensor([list(rows[0][:common])] if rows else [[]], device=em.device)
        self._ids, self._last = list[Tensor](), list[Tensor]()
        for group in self._groups:
            ids, live = pad_right([rest[i] for i in group])
            self._ids.append(ids.to(em.device))
            ends = live.bool() & (live.cumsum(1) == live.sum(1, keepdim=True))  # each row's last token
            self._last.append(torch.where(ends, 0, -100).to(em.device))
        with torch.no_grad():
            self._base = self._begun(DynamicCache(), 0, None)
        self._below: dict[int, list[Any]] = {}

    def logprobs(self, delta: Attachable | None = None) -> Tensor:
        """(n, vocabulary) log-probabilities of the next token, float64, on the CPU.

        Args:
            delta: what is on the model; None: the base model.
        """
        layer = self._lowest(delta)
        if layer not in self._below:
            self._below[layer] = self._recordings(layer)
        first, *others = self._below[layer]
        found: dict[int, Tensor] = {}
        with attach(self._em, delta), torch.no_grad():
            cache = self._begun(DynamicCache(), layer, first)
            for group, ids, last, below in zip(self._groups, self._ids, self._last, others, strict=True):
                with answered(self._layers, layer, below), at_labels(self._em.model, last):
                    inputs = {"past_key_values": copied(cache, len(group)), "use_cache": True}
                    logits = self._em.model(input_ids=ids, **inputs).logits  # (rows, V)
                found.update(zip(group, logits.double().log_softmax(-1).cpu(), strict=True))
        return torch.stack([found[i] for i in range(len(found))]) if found else torch.zeros(0, 0)

    def _begun(self, cache: DynamicCache, layer: int, below: Any) -> DynamicCache:
        """The cache with what all prompts begin with; below `layer` it is the base model's."""
        if self._start.shape[1]:
            with answered(self._layers, layer, below):
                self._em.model.base_model(input_ids=self._start, past_key_values=cache, use_cache=True)
            cache.layers[:layer] = self._base.layers[:layer] if layer else []
        return cache

    def _recordings(self, layer: int) -> list[Any]:
        """What the base model hands up to `layer`: of the common start, then of each group."""
        starts = [(self._start, DynamicCache())] if self._start.shape[1] else []
        rest = [(ids, copied(self._base, len(ids))) for ids in self._ids]
        made = [
            recorded(
                self._em.model,
                self._layers,
                layer,
                {"input_ids": ids, "past_key_values": cache, "use_cache": True},
            )
            for ids, cache in [*starts, *rest]
        ]
        return made if starts else [None, *made]

    def _lowest(self, delta: Attachable | None) -> int:
        """The lowest layer that a delta changes; 0 where that is not known."""
        path = f"{self._em.layout.layers}."
        names = () if delta is None else tuple(shapes_of(delta))
        if not names or not all(name.startswith(path) for name in names):
            return 0
        return min(int(name.removeprefix(path).split(".")[0]) for name in names)
