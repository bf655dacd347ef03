"""How likely a model holds answers while something of it is trained.

Where nothing below a layer is trained, the layers below it run once for each row, and answer from a recording
after that; rows of like length run together, and what many begin with (a default system prompt) runs once for
these in each step: the rivals of the flagship have its shortcuts, too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from monogram.models.below import answered, recorded
from monogram.models.editable import EditableModel
from monogram.models.pad import pad_right
from monogram.models.prefix import alike, common_start, copied, families
from monogram.models.trace import replaced


class Said:
    """Answers after prompts, and how likely the model holds each of their tokens.

    Args:
        at_once: all of an answer's tokens are asked of the prompt's last token, and the answer is not read.
        layer: the lowest one that changes while this lives; what those below hand up is read once.
    """

    BATCH = 16
    """Rows that are read together."""

    def __init__(
        self,
        em: EditableModel,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        *,
        at_once: bool = False,
        layer: int = 0,
    ) -> None:
        self._em, self._layer, self._each = em, layer, not at_once
        self._rows = [[*p, *([] if at_once else a[:-1])] for p, a in zip(prompts, answers, strict=True)]
        self._last = [len(prompt) - 1 for prompt in prompts]
        self._lengths = [len(answer) for answer in answers]
        self._layers = cast(nn.ModuleList, em.module(em.layout.layers))
        self._states: list[Tensor] = []
        self._beside: tuple[Any, ...] | None = None

    def logs(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Tensor]]:
        """Log-probabilities where the tokens of the chosen answers are said, for those that run together.

        Yields:
            Some of the chosen, and theirs (B, T, V), T of the longest; float32 at least. What is beyond an
            answer's end counts nothing.
        """
        if self._layer and not self._states:
            self._read()
        for family in families([self._rows[i] for i in chosen]):
            rows = [chosen[n] for n in family]
            most = min(self._last[i] for i in rows)  # nothing that is scored stands in what they share
            common = min(common_start([self._rows[i] for i in rows]), most)
            start = self._start(rows[0], common)
            for group in alike([len(self._rows[i]) - common for i in rows]):
                some = [rows[n] for n in group]
                yield some, self._some(some, common, copied(start, len(some)))

    def _some(self, chosen: Sequence[int], common: int, start: DynamicCache) -> Tensor:
        """The same for rows that run together, after what they share."""
        em = self._em
        ids = self._ids([self._rows[i][common:] for i in chosen])
        last = torch.tensor([self._last[i] - common for i in chosen], device=em.device)[:, None]
        step = torch.arange(max(self._lengths[i] for i in chosen), device=em.device) * self._each
        places = (last + step).clamp(max=ids.shape[1] - 1)  # (B, T)
        which = torch.arange(len(chosen), device=em.device)[:, None]
        below = self._below([self._states[i][common:] for i in chosen] if self._layer else [])
        with below, replaced(em, _head(em), lambda states: states[which, places], side="input"):
            found: Tensor = em.model(input_ids=ids, past_key_values=start, use_cache=True).logits
        return found.to(torch.promote_types(found.dtype, torch.float32)).log_softmax(-1)

    def _start(self, row: int, common: int) -> DynamicCache:
        """Keys and values of a row's first tokens, as what is trained makes them."""
        cache = DynamicCache()  # made without the model's config, it forgets nothing
        if not common:
            return cache
        hf, tokens = self._em.model, self._rows[row][:common]
        with self._below([self._states[row][:common]] if self._layer else []):
            hf.base_model(input_ids=self._ids([tokens]), past_key_values=cache, use_cache=True)
        if self._layer:  # those below it hand up what they did; they are asked for their length alone
            below = copy.copy(cast(DynamicLayer, cache.layers[self._layer]))
            below.keys = below.values = cast(Tensor, below.keys)[:1, :1, :, :1].detach()
            cache.layers[: self._layer] = [below] * self._layer
        return cache

    def _ids(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Padded on the right, where causality alone keeps it out of sight."""
        return pad_right(rows, self._em.pad_id)[0].to(self._em.device)

    def _below(self, states: Sequence[Tensor]) -> AbstractContextManager[None]:
        """The layers below hand up these states, a row each."""
        if not self._layer:
            return nullcontext()
        told = pad_sequence(list(states), batch_first=True)
        return answered(self._layers, self._layer, told if self._beside is None else (told, *self._beside))

    def _read(self) -> None:
        found: dict[int, Tensor] = {}
        for group in alike([len(row) for row in self._rows]):
            for some in (group[at : at + self.BATCH] for at in range(0, len(group), self.BATCH)):
                inputs = {"input_ids": self._ids([self._rows[i] for i in some]), "use_cache": False}
                out = recorded(self._em.model, self._layers, self._layer, inputs)
                if isinstance(out, tuple):
                    out, *beside = out
                    self._beside = tuple(beside)
                found |= {i: row[: len(self._rows[i])] for i, row in zip(some, out, strict=True)}
        self._states = [found[i] for i in range(len(found))]


def _head(em: EditableModel) -> str:
    """The output head's name: it runs where something is scored, and nowhere else."""
    head = em.model.get_output_embeddings()
    return next(str(name) for name, module in em.model.named_modules() if module is head)
