"""Run only what an edit can change: the fast path of the value step.

A residual that is added to the MLP output of one layer, at one position, changes nothing below that layer
and nothing before that position. So the prompt's prefix is run once and its keys and values are kept; after
that, a forward pass is the layers from the edited one up, over the prompt's last token and the answer's.

The model's own code does all of it: the layers below are answered from a recording, the cache is handed back
fresh every time, and masks (per layer, sliding or full), rotary tables, norms after the MLP, soft-capped or
scaled logits are whatever the model makes of them. Tokens that all prompts begin with (a default system
prompt) run once for all.

No row of any attention mask is ever empty: short rows are padded on the right while they run, where causality
alone keeps padding out of sight, and the prefix's keys are moved flush right afterwards. (An empty row is NaN
under eager attention in float64, and 0 * NaN spreads.)

    prompt   p0 p1 ... p_i | a0 a1 ... a_T        cached: p0 .. p_(i-1)      run: p_i a0 .. a_(T-1)
                       ^ r is added here          read: the logits that predict a0 .. a_T
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from monogram.errors import InputError, LayerError

WORTH_SHARING = 64
"""Tokens that a common start must save before it gets a pass of its own."""


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

    Attributes:
        labels: (B, T) the answers' tokens, -100 where a row has none or the token is not scored; `logits`
            predicts exactly these.
        at: where the lookup position stands in what `writer` puts out during `logits`.

    Args:
        hf: a causal LM of `transformers`, in eval mode; its weights are never touched.
        layers: the model's list of decoder layers, in order.
        writer: the module of the edited layer whose output the residual is added to: the MLP's output matrix.
        layer: index of the edited layer, 0-based.
        prompts: B token lists, each at least one token; the residual sits on the last one.
        answers: B token lists, each at least one token.
        context: how many tokens of each answer are the rest of the prompt and not scored (a subject stands
            inside the prompt): at least 0, less than the answer has. None: all are scored.

    Raises:
        InputError: an empty prompt or answer, lists of different lengths, or nothing left to score.
        LayerError: the layer is not there.
    """

    at = 0

    def __init__(
        self,
        hf: Any,
        layers: nn.ModuleList,
        writer: nn.Module,
        layer: int,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        *,
        context: Sequence[int] | None = None,
    ) -> None:
        if not 0 <= layer < len(layers):
            raise LayerError(f"layer {layer} was asked for; this model has layers 0 to {len(layers) - 1}")
        unscored = [0] * len(answers) if context is None else list(context)
        check_pairs(prompts, answers, unscored)
        self.layer = layer
        self._hf, self._layers, self._writer = hf, layers, writer
        device = next(hf.parameters()).device
        labels, _ = pad_right(answers, -100)
        for b, skip in enumerate(unscored):
            labels[b, :skip] = -100
        self.labels: Tensor = labels.to(device)
        with torch.no_grad():
            self._cache = self._read_prefix([list(p[:-1]) for p in prompts], prompts[0][-1], device)
        tail, _ = pad_right([[p[-1], *a[:-1]] for p, a in zip(prompts, answers, strict=True)])
        _, seen = pad_left([p[:-1] for p in prompts])
        self._inputs = {
            "input_ids": tail.to(device),
            "attention_mask": torch.cat([seen, torch.ones_like(tail)], 1).to(device),
            "position_ids": (seen.sum(1, keepdim=True) + torch.arange(tail.shape[1])).to(device),
            "use_cache": True,
        }
        self._below = self._record_below()

    def _read_prefix(self, rows: list[list[int]], filler: int, device: torch.device) -> DynamicCache:
        """Keys and values of every layer for the rows, flush right; all of them, in sliding layers too."""
        cache = DynamicCache()  # made without the model's config, it forgets nothing
        common = _common_start(rows)
        if common * (len(rows) - 1) < WORTH_SHARING:
            common = 0
        if common:
            self._extend(cache, torch.tensor([rows[0][:common]], device=device))
            cache.batch_repeat_interleave(len(rows))
        rest, live = pad_right([row[common:] for row in rows], filler)
        if rest.shape[1]:
            self._extend(cache, rest.to(device))
        lengths, width = common + live.sum(1, keepdim=True), common + rest.shape[1]
        if int(lengths.min()) < width:
            source = (torch.arange(width) - (width - lengths)).clamp(min=0).to(device)  # (B, width)
            for layer in cast(list[DynamicLayer], cache.layers):
                layer.keys = _gathered(layer.keys, source)
                layer.values = _gathered(layer.values, source)
        return cache

    def _extend(self, cache: DynamicCache, ids: Tensor) -> None:
        """Run tokens through the whole model, for their keys and values."""
        self._hf.base_model(input_ids=ids, past_key_values=cache, use_cache=True)

    def _fresh_cache(self) -> DynamicCache:
        """A cache that holds the prefix and nothing else; appending to it leaves the kept one as it is."""
        fresh = copy.copy(self._cache)
        fresh.layers = [copy.copy(layer) for layer in self._cache.layers]
        return fresh

    def _record_below(self) -> Any:
        """What the layer under the edited one hands up for the tail's tokens; None where there is none."""
        if self.layer == 0:
            return None
        kept: list[Any] = []

        def keep(_module: nn.Module, _args: Any, out: Any) -> None:
            kept.append(out)
            raise _Seen

        hook = self._layers[self.layer - 1].register_forward_hook(keep)
        with hook, torch.no_grad(), suppress(_Seen):
            self._hf.base_model(**self._inputs, past_key_values=self._fresh_cache())
        return kept[0]

    @contextmanager
    def _only_above(self) -> Iterator[None]:
        """For the length of the `with`, layers below the edited one answer from the recording."""
        recorded = self._below

        def answer(*_args: Any, **_kwargs: Any) -> Any:
            return recorded

        with ExitStack() as undo:
            for layer in list(self._layers)[: self.layer]:
                own = layer.__dict__.get("forward")  # another library's, where there is one
                undo.callback(_put_back, layer, own)
                layer.forward = answer
            yield

    @contextmanager
    def _only_scored(self) -> Iterator[None]:
        """For the length of the `with`, the output head runs where there is a label; it is zero elsewhere."""
        head, scored = self._hf.get_output_embeddings(), self.labels != -100
        if head is None or bool(scored.all()):
            yield
            return

        def spread(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
            return out.new_zeros(*scored.shape, out.shape[-1]).index_put((scored,), out)

        select = head.register_forward_pre_hook(lambda _module, args: (args[0][scored],))
        with select, head.register_forward_hook(spread):
            yield

    def logits(self, residual: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
        """Logits at the answer's positions, (B, T, vocabulary), with `residual` added at the answer's start.

        Positions that are not scored (`labels` is -100) are left at zero: the output head skips them.

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

        with self._writer.register_forward_hook(add), self._only_above(), self._only_scored():
            logits: Tensor = self._hf(**self._inputs, past_key_values=self._fresh_cache()).logits
        return logits


class _Seen(Exception):
    """What was wanted has been seen; ends a forward pass early. Never leaves this file."""


def check_pairs(
    prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], unscored: Sequence[int]
) -> None:
    """Raise InputError for what no tail can be made of, see `Tail`."""
    if len(prompts) != len(answers) or not prompts or not all(map(len, [*prompts, *answers])):
        raise InputError(
            f"a tail needs as many prompts as answers, none empty; found {len(prompts)} prompts and "
            f"{len(answers)} answers"
        )
    if len(unscored) != len(answers) or any(
        not 0 <= n < len(a) for n, a in zip(unscored, answers, strict=False)
    ):
        raise InputError(
            f"context needs one number per answer, each at least 0 and less than the answer's tokens; found "
            f"{unscored} for answers of {[len(a) for a in answers]} tokens"
        )


def _common_start(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False)))


def _gathered(states: Any, source: Tensor) -> Any:
    """(B, H, L, D) with place j of row b taken from place source[b, j]."""
    return states.gather(2, source[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3]))


def _put_back(module: nn.Module, forward: Any) -> None:
    if forward is None:
        module.__dict__.pop("forward", None)
    else:
        module.__dict__["forward"] = forward
