"""Adapters of `peft` on a model, for the length of a `with`; and what they come to, as a delta.

    with on(em, config, seed) as adapters:
        ...                                  # train adapters.parameters
        delta = adapters.delta()

`peft` replaces modules while its adapters are on, and draws what it draws from a seed. Afterwards the model
has its own modules back, whatever happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from monogram.delta import Delta, LowRank
from monogram.errors import InputError, UnsupportedModelError
from monogram.models.editable import EditableModel

NAME = "default"
"""What `peft` calls the one adapter."""
ATTENTION = (("q_proj", "v_proj"), ("c_attn",), ("query_key_value",), ("qkv_proj",), ("Wqkv",))
"""Names of the modules that make queries and values, family by family; one that is fused makes keys, too."""


class Adapters:
    """What is on a model now."""

    def __init__(self, em: EditableModel, tuner: Any) -> None:
        self.tuner = tuner
        self._em = em
        self.parameters: list[Tensor] = [p for p in em.model.parameters() if p.requires_grad]
        for own in self.parameters:  # half precision is too coarse for small steps
            own.data = own.data.to(torch.promote_types(own.dtype, torch.float32))

    def layers(self) -> Iterator[tuple[str, Any]]:
        """Name of each module, and what `peft` has put in its place."""
        for name, module in self._em.model.named_modules():
            if hasattr(module, "base_layer") and NAME in getattr(module, "lora_A", {}):
                yield name, module

    def delta(self) -> Delta:
        """What they add to the weights: (alpha / r) B A; AdaLoRA's (alpha / r) P Λ Q without empty ranks."""
        factors = {}
        for name, layer in self.layers():
            left, right = (_weight(part[NAME]) for part in (layer.lora_B, layer.lora_A))
            scale = layer.scaling[NAME]
            if hasattr(layer, "lora_E"):
                live = layer.lora_E[NAME][:, 0] != 0
                left, right = left[:, live], (right * layer.lora_E[NAME])[live]
                scale = scale / (layer.ranknum[NAME] + 1e-5)
            factors[name] = LowRank((left * scale).detach().clone(), right.detach().clone())
        return Delta(factors)


@contextmanager
def on(em: EditableModel, config: Any, seed: int) -> Iterator[Adapters]:
    """Put adapters on, ready to be trained.

    Args:
        config: `peft.LoraConfig` or `peft.AdaLoraConfig`, with full module names.
        seed: of what they begin as, and of their dropout; the process's own numbers stay as they were.
    """
    peft = library()
    kind = peft.AdaLoraModel if isinstance(config, peft.AdaLoraConfig) else peft.LoraModel
    devices = [em.device] if em.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        tuner = kind(em.model, config, NAME)
        try:
            adapters = Adapters(em, tuner)
            for _, layer in adapters.layers():
                layer.lora_dropout.train()  # theirs alone: the model's own stays off
            yield adapters
        finally:
            tuner.unload()


def attention(em: EditableModel) -> list[str]:
    """Full names of the modules that make queries and values.

    Raises:
        UnsupportedModelError: none has a name that is known.
    """
    names = [name for name, _ in em.model.named_modules() if name.startswith(f"{em.layout.layers}.")]
    for family in ATTENTION:
        if found := [name for name in names if name.rpartition(".")[2] in family]:
            return found
    known = ", ".join(" and ".join(family) for family in ATTENTION)
    raise UnsupportedModelError(
        f"Model '{em.name}' has no attention whose queries and values are made by {known}."
    )


def library() -> Any:
    """The package `peft`.

    Raises:
        InputError: it is not installed.
    """
    try:
        import peft
    except ImportError:
        raise InputError(
            "LoRA is trained by the package peft, which is not installed: pip install 'monogram[bench]'."
        ) from None
    return peft


def orthogonality(layers: Sequence[tuple[str, Any]]) -> Tensor:
    """How far AdaLoRA's P and Q are from orthogonal: the mean of ‖PᵀP − I‖ and ‖QQᵀ − I‖, as in `peft`."""
    sides = [side for _, layer in layers for side in (layer.lora_A[NAME], layer.lora_B[NAME].T)]
    apart = [
        (side @ side.T - torch.eye(len(side), dtype=side.dtype, device=side.device)).norm() for side in sides
    ]
    return torch.stack(apart).mean()


def _weight(part: Any) -> Tensor:
    weight: Any = part.weight if isinstance(part, nn.Module) else part
    return cast(Tensor, weight)
