"""Layers that an edit can't change: run once, recorded, and answered from the recording after that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch
from torch import nn

from monogram.models.trace import running


def recorded(hf: Any, layers: nn.ModuleList, layer: int, inputs: Mapping[str, Any]) -> Any:
    """What the layers below `layer` hand up for these inputs; None where there are none."""
    if layer == 0:
        return None
    kept: list[Any] = []

    def keep(_module: nn.Module, _args: Any, out: Any) -> None:
        kept.append(out)
        raise _Seen

    with layers[layer - 1].register_forward_hook(keep), torch.no_grad(), suppress(_Seen):
        hf.base_model(**inputs)
    return kept[0]


@contextmanager
def answered(layers: nn.ModuleList, layer: int, recording: Any) -> Iterator[None]:
    """For the length of the `with`, the layers below `layer` answer from the recording."""

    def answer(*_args: Any, **_kwargs: Any) -> Any:
        return recording

    with ExitStack() as undo:
        for below in list(layers)[:layer]:
            undo.enter_context(running(below, answer))
        yield


class _Seen(Exception):
    """What was wanted has been seen; ends a forward pass early. Never leaves this file."""
