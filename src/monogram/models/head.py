"""The output head, run where it is needed: at some places, and for some tokens of the vocabulary.

In small models it is half of all work above a late layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from monogram.models.trace import running


@contextmanager
def at_labels(hf: Any, labels: Tensor) -> Iterator[None]:
    """For the length of the `with`, the output head is given (B, T, width) and runs at the labels alone."""
    chosen = labels != -100
    with hf.get_output_embeddings().register_forward_pre_hook(lambda _module, args: (args[0][chosen],)):
        yield


@contextmanager
def of_tokens(hf: Any, tokens: Tensor | None) -> Iterator[None]:
    """For the length of the `with`, the output head computes the logits of these tokens alone, (..., n), in
    their order. None: of all.

    What the model does to logits afterwards must treat each by itself, as scales and soft caps do.
    """
    if tokens is None:
        yield
        return
    head = hf.get_output_embeddings()
    bias = getattr(head, "bias", None)
    weight, shift = head.weight[tokens], None if bias is None else bias[tokens]
    with running(head, lambda states: linear(states, weight, shift)):
        yield


def likeliest(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """The tokens that are among the `count` likeliest of any row of logits (N, vocabulary), and the labels
    (N,): each once, in order.
    """
    top = logits.detach().topk(min(count, logits.shape[-1]), dim=-1).indices
    found: Tensor = torch.unique(torch.cat([top.flatten(), labels]))
    return found
