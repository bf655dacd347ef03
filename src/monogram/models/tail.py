"""Run only what an edit can change: the fast path of the value step.

A residual that is added to the MLP output of one layer, at one position, changes nothing below that layer and nothing
before that position. So the prompt's prefix is run once and its keys and values are kept; after that, a forward pass
is the layers from the edited one up, over the last token of the prompt and the tokens of the answer.

The model's own code does all of it: the layers below are answered from a recording, the cache is handed back fresh
every time, and masks (per layer, sliding or full), rotary tables, norms after the MLP, soft-capped or scaled logits
are whatever the model makes of them.

    prompt   p0 p1 ... p_i | a0 a1 ... a_T        cached: p0 .. p_(i-1)      run: p_i a0 .. a_(T-1)
                       ^ r is added here          read: the logits that predict a0 .. a_T
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from monogram.errors import InputError, LayerError

Prepare = Callable[[Tensor], Tensor]


def pad_left(rows: Sequence[Sequence[int]], value: int = 0) -> tuple[Tensor, Tensor]:
    """Token rows to (ids, mask), both (B, T), padded on the left: every row ends at the same place."""
    width = max((len(row) for row in rows), default=0)
    ids = torch.full((len(rows), width), value, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        if row:
            ids[b, width - len(row) :] = torch.tensor(row, dtype=torch.long)
            mask[b, width - len(row) :] = 1
    return ids, mask


def pad_right(rows: Sequence[Sequence[int]], value: int = 0) -> tuple[Tensor, Tensor]:
    """Token rows to (ids, mask), both (B, T), padded on the right: every row starts at the same place."""
    ids, mask = pad_left([list(reversed(row)) for row in rows], value)
    return ids.flip(1), mask.flip(1)


class Tail:
    """The part of the forward pass of (prompt, answer) pairs that a residual at one layer can change.

    Args:
        hf: a causal LM of `transformers`, in eval mode; its weights are never touched.
        layers: the model's list of decoder layers, in order.
        writer: the module of the edited layer whose output the residual is added to (the MLP's output matrix).
        layer: index of the edited layer, 0-based.
        prompts: B token lists, each at least one token; the residual sits on the last one.
        answers: B token lists, each at least one token.

    Raises:
        InputError: an empty prompt or answer, or lists of different lengths.
        LayerError: the layer is not there.
    """

    def __init__(
        self,
        hf: Any,
        layers: nn.ModuleList,
        writer: nn.Module,
        layer: int,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
    ) -> None:
        if not 0 <= layer < len(layers):
            raise LayerError(f"layer {layer} was asked for; this model has layers 0 to {len(layers) - 1}")
        if (
            len(prompts) != len(answers)
            or not prompts
            or not all(map(len, prompts))
            or not all(map(len, answers))
        ):
            raise InputError(
                f"a tail needs as many prompts as answers, none empty; found {len(prompts)} prompts and "
                f"{len(answers)} answers"
            )
        self.layer = layer
        self._hf, self._layers, self._writer = hf, layers, writer
        device = next(hf.parameters()).device
        prefix, seen = pad_left([p[:-1] for p in prompts])
        tail, live = pad_right([[p[-1], *a[:-1]] for p, a in zip(prompts, answers, strict=True)])
        labels, _ = pad_right(answers, -100)
        #: (B, T) the answers' tokens, -100 where a row has none; `logits` predicts exactly these
        self.labels: Tensor = labels.to(device)
        with torch.no_grad():
            cache = self._read_prefix(prefix.to(device), seen.to(device))
        start = seen.sum(1, keepdim=True)
        self._inputs = {
            "input_ids": tail.to(device),
            "attention_mask": torch.cat([seen, live], 1).to(device),
            "position_ids": (start + torch.arange(tail.shape[1])).to(device),
            "use_cache": True,
        }
        self._cache = cache
        self._below = self._record_below()

    def _read_prefix(self, ids: Tensor, mask: Tensor) -> Any:
        if ids.shape[1] == 0:
            return None
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = self._hf.base_model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True)
        return out.past_key_values

    def _fresh_cache(self) -> Any:
        """A cache that holds the prefix and nothing else; appending to it leaves the kept one as it is."""
        if self._cache is None:
            return None
        fresh = copy.copy(self._cache)
        fresh.layers = [copy.copy(layer) for layer in self._cache.layers]
        return fresh

    def _record_below(self) -> Any:
        """What the layer under the edited one hands up, for the tail's tokens; None when there is no layer below."""
        if self.layer == 0:
            return None
        kept: list[Any] = []
        handle = self._layers[self.layer - 1].register_forward_hook(lambda _m, _a, out: kept.append(out))
        try:
            with torch.no_grad():
                self._hf.base_model(**self._inputs, past_key_values=self._fresh_cache())
        finally:
            handle.remove()
        return kept[0]

    @contextmanager
    def _only_above(self) -> Iterator[None]:
        """For the length of the `with`, layers below the edited one answer from the recording."""
        below = list(self._layers)[: self.layer]
        recorded = self._below

        def answer(*_args: Any, **_kwargs: Any) -> Any:
            return recorded

        try:
            for layer in below:
                layer.forward = answer
            yield
        finally:
            for layer in below:
                layer.__dict__.pop("forward", None)

    def logits(self, residual: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
        """Logits at the answer's positions, (B, T, vocabulary), with `residual` added at the answer's start.

        Args:
            residual: (d_out,) for all rows or (B, d_out); gradients flow into it. None: the base model.
            gates: (B,) factors of the residual; 1 when left out.
        """
        batch = self.labels.shape[0]

        def add(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
            if residual is None:
                return out
            rows = residual.expand(batch, -1) if residual.dim() == 1 else residual
            if gates is not None:
                rows = rows * gates.unsqueeze(-1)
            first = (out[:, 0] + rows.to(out.dtype)).unsqueeze(1)
            return torch.cat([first, out[:, 1:]], 1)

        handle = self._writer.register_forward_hook(add)
        try:
            with self._only_above():
                out = self._hf(**self._inputs, past_key_values=self._fresh_cache())
        finally:
            handle.remove()
        logits: Tensor = out.logits
        return logits
