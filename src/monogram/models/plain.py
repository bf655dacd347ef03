"""The whole model in every step: the oracle of the fast path, and the yardstick of its speed.

Same interface as `Tail`, nothing kept between steps but the tokens. It is a fair rival: batched, weights
frozen, the output head only where the answer is predicted. Prompts of unlike length are padded on the left;
under Gemma 2's eager attention in float64 that is NaN (see `tail`), so there they must be of one length.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monogram.models.tail import check_pairs, pad_left, pad_right


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
        asked, seen = pad_left(prompts)
        said, live = pad_right([a[:-1] for a in answers])
        labels, _ = pad_right(answers, -100)
        for b, skip in enumerate(unscored):
            labels[b, :skip] = -100
        self.labels: Tensor = labels.to(device)
        mask = torch.cat([seen, live], 1).to(device)
        self._inputs = {
            "input_ids": torch.cat([asked, said], 1).to(device),
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
            "use_cache": False,
        }
        if "logits_to_keep" in inspect.signature(hf.forward).parameters:
            self._inputs["logits_to_keep"] = labels.shape[1]
        #: where in the output of the writer the lookup position stands
        self.at = asked.shape[1] - 1

    def logits(self, residual: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
        """As `Tail.logits`."""

        def add(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
            if residual is None:
                return out
            rows = residual.expand(len(out), -1)
            if gates is not None:
                rows = rows * gates.unsqueeze(-1)
            here = torch.zeros(out.shape[1], 1, dtype=out.dtype, device=out.device)
            here[self.at] = 1
            return out + here * rows.to(out.dtype).unsqueeze(1)

        handle = self._writer.register_forward_hook(add)
        try:
            out = self._hf(**self._inputs)
        finally:
            handle.remove()
        logits: Tensor = out.logits[:, -self.labels.shape[1] :]
        return logits
