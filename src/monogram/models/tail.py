"""Run only what an edit can change: the fast path of the value step.

A residual that is added to the MLP output of one layer, at one position, changes nothing below that layer
and nothing before that position. So the prompt's prefix is run once and its keys and values are kept; after
that, a forward pass is the layers from the edited one up, over the prompt's last token and the answer's.

The model's own code does all of it: the layers below are answered from a recording, the cache is handed back
fresh every time, and masks (per layer, sliding or full), rotary tables, norms after the MLP, soft-capped or
scaled logits are whatever the model makes of them.

    prompt   p0 p1 ... p_i | a0 a1 ... a_T        cached: p0 .. p_(i-1)      run: p_i a0 .. a_(T-1)
                       ^ r is added here          read: the logits that predict a0 .. a_T
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from monogram.errors import InputError, LayerError
from monogram.models.below import answered, recorded
from monogram.models.head import at_labels, of_tokens
from monogram.models.pad import pad_left, pad_right
from monogram.models.prefix import copied, lightened, read_prefix


class Tail:
    """The part of the forward pass of (prompt, answer) pairs that a residual at one layer can change.

    Attributes:
        labels: (B, T) the answers' tokens, -100 where a row has none or the token is not scored; `scored`
            predicts exactly these.
        at: where the lookup position stands in what `writer` puts out during `scored`.

    Args:
        hf: a causal LM of `transformers`, in eval mode; its weights are never touched.
        layers: the model's list of decoder layers, in order.
        writer: the module of the edited layer whose output the residual is added to: the MLP's output matrix.
        layer: index of the edited layer, 0-based.
        prompts: B token lists, each at least one token; the residual sits on the last one.
        answers: B token lists, each at least one token.
        context: how many tokens of each answer are the rest of the prompt and not scored (a subject stands
            inside the prompt): at least 0, less than the answer has. None: all are scored.
        read: the prompts without their last tokens, from `read_prefix`; it stays as it is. None: read now.

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
        read: DynamicCache | None = None,
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
            cache = read_prefix(hf, [p[:-1] for p in prompts]) if read is None else read
        tail, _ = pad_right([[p[-1], *a[:-1]] for p, a in zip(prompts, answers, strict=True)])
        _, seen = pad_left([p[:-1] for p in prompts])
        self._inputs = {
            "input_ids": tail.to(device),
            "attention_mask": torch.cat([seen, torch.ones_like(tail)], 1).to(device),
            "position_ids": (seen.sum(1, keepdim=True) + torch.arange(tail.shape[1])).to(device),
            "use_cache": True,
        }
        self._below = recorded(hf, layers, layer, {**self._inputs, "past_key_values": copied(cache)})
        self._cache = lightened(cache, layer)

    def scored(self, residual: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """Logits where there is a label, with `residual` added at the answer's start.

        The output head is half of the work, so it runs there alone.

        Args:
            residual: (d_out,) for all rows or (B, d_out); gradients flow into it. None: the base model.
            tokens: (V,) whose logits are wanted; all of the vocabulary's when left out.

        Returns:
            (N, V), in the order of `labels[labels != -100]`.
        """
        batch = self.labels.shape[0]

        def add(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
            if residual is None:
                return out
            rows = residual.expand(batch, -1) if residual.dim() == 1 else residual
            first = (out[:, 0] + rows.to(out.dtype)).unsqueeze(1)
            return torch.cat([first, out[:, 1:]], 1)

        with (
            self._writer.register_forward_hook(add),
            answered(self._layers, self.layer, self._below),
            at_labels(self._hf, self.labels),
            of_tokens(self._hf, tokens),
        ):
            logits: Tensor = self._hf(**self._inputs, past_key_values=copied(self._cache)).logits
        return logits


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
