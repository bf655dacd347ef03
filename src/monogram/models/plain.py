"""The whole model in every step: the oracle of the fast path, and the yardstick of its speed.

Same interface as `Tail`, nothing kept between steps but the tokens. It is a fair rival: batched, weights
frozen, the output head only where the answer is predicted. Rows are padded on the right, where causality
alone keeps padding out of sight: padding on the left leaves its own rows of the attention mask empty, which
is NaN under eager attention in float64 (Gemma 2), as in `tail`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monogram.models.pad import pad_right
from monogram.models.tail import check_pairs


class Plain:
    """(prompt, answer) pairs, run from the first layer and token each time. Arguments as `Tail`'s."""

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
        del layers, layer  # only `Tail` needs them
        unscored = [0] * len(answers) if context is None else list(context)
        check_pairs(prompts, answers, unscored)
        self._hf, self._writer = hf, writer
        device = next(hf.parameters()).device
        labels, _ = pad_right(answers, -100)
        for b, skip in enumerate(unscored):
            labels[b, :skip] = -100
        self.labels: Tensor = labels.to(device)
        ids, _ = pad_right([[*p, *a[:-1]] for p, a in zip(prompts, answers, strict=True)])
        self._inputs = {
            "input_ids": ids.to(device),
            "attention_mask": torch.ones_like(ids).to(device),
            "use_cache": False,
        }
        #: (B,) where in the output of the writer each row's lookup position stands
        self.at = torch.tensor([len(p) - 1 for p in prompts], device=device)
        row, step = torch.nonzero(self.labels != -100, as_tuple=True)
        self._places = (row, self.at[row] + step)  # (N,) each: where the labels are predicted

    def scored(self, residual: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """As `Tail.scored`; the head computes all of the vocabulary in any case."""
        rows = torch.arange(len(self.at), device=self.at.device)

        def add(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
            if residual is None:
                return out
            each = residual.expand(len(out), -1)
            return out.index_put((rows, self.at), each.to(out.dtype), accumulate=True)

        def predicting(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor]:
            return (args[0][self._places],)  # (N, width)

        head = self._hf.get_output_embeddings()
        with self._writer.register_forward_hook(add), head.register_forward_pre_hook(predicting):
            logits: Tensor = self._hf(**self._inputs).logits
        return logits if tokens is None else logits[:, tokens]
