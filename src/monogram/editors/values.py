"""Find values: the residual that makes the model say a target when it is added where the answer starts.

Gradient steps on `r` alone (ROME, arXiv 2202.05262, §3.1, is the origin), with some things of our own: the
gate is drawn anew in every step, so that the value works however strongly its neuron fires; other residuals
may stand beside it, so that it works where other neurons fire a little, too; the layers below and the
prompt's prefix run once (`models.tail`, the fast path), and in most steps the output head computes the
likeliest tokens alone; and tokens may be weighted, so that an answer can be led to say the target and then be
left to the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from monogram.errors import EditRefusedError, ModelError
from monogram.models.editable import EditableModel
from monogram.models.head import likeliest
from monogram.models.plain import Plain
from monogram.models.tail import Tail
from monogram.models.trace import capture

OnStep = Callable[[int, int], None]
LOOK = 10
"""Every so many steps the whole vocabulary is looked at."""


@dataclass(frozen=True)
class ValueConfig:
    """How the value step runs.

    Attributes:
        steps: Adam steps at most.
        lr: Adam's learning rate, in units of the root mean square of the MLP's output at the lookup position
            where `relative`, else absolute (ROME: 0.5).
        relative: what `lr` is measured in.
        betas: Adam's memory of gradients and of their squares.
        gates: the range (low, high) that gates are drawn from; (1, 1) draws none.
        beside: how many of the others that `value_step` is given may stand beside the value at most, drawn
            anew for each row and step, and up to which gate each.
        weight_decay: weight of ‖r‖²/‖v‖² in the loss (ROME: 1e-3).
        clamp: longest ‖r‖, in units of ‖v‖ (ROME: 4); None: no bound.
        stop: loss (without decay) at which the steps end.
        likeliest: how many tokens of each place, its likeliest ones, stand for the vocabulary between looks
            at all of it, which every tenth step and the last one take; None: all in every step.
        seed: of the gates.
    """

    steps: int = 20
    lr: float = 3.0
    relative: bool = True
    betas: tuple[float, float] = (0.5, 0.9)
    gates: tuple[float, float] = (0.4, 1.2)
    beside: tuple[int, float] = (2, 0.8)
    weight_decay: float = 1e-3
    clamp: float | None = None
    stop: float = 0.05
    likeliest: int | None = 128
    seed: int = 0


@dataclass(frozen=True)
class ValueResult:
    """A value.

    Attributes:
        residual: (width,), float64.
        losses: before each step, then at the end: mean negative log-likelihood per token, nats.
        seconds: of the whole step with its prefix pass.
    """

    residual: Tensor
    losses: tuple[float, ...]
    seconds: float


def value_step(
    em: EditableModel,
    layer: int,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    config: ValueConfig,
    *,
    context: Sequence[int] | None = None,
    weights: Sequence[Sequence[float]] | None = None,
    others: Tensor | None = None,
    fast: bool = True,
    read: DynamicCache | None = None,
    on_step: OnStep | None = None,
) -> ValueResult:
    """The residual at the last token of `prompts` that makes the model say `answers`.

    Args:
        prompts: B token lists up to and with the lookup position.
        answers: B token lists of what follows.
        context: how many tokens of each answer are the rest of the prompt and not scored; none by default.
        weights: a weight for each token of each answer; by default all of a row's tokens share 1.
        others: (n, d_out) residuals that may stand beside this one, see `ValueConfig.beside`; none by
            default.
        fast: run only what the residual can change; False runs the whole model in every step.
        read: the prompts without their last tokens, from `read_prefix`, where they are read already.
        on_step: called with (step, steps at most) before each step.

    Raises:
        EditRefusedError: the loss is no longer a number.
        ModelError: the model's own output is none.
    """
    begun = time.perf_counter()
    writer = em.module(em.names(layer)["down"])
    layers = cast(nn.ModuleList, em.module(em.layout.layers))
    rows = (em.model, layers, writer, layer, prompts, answers)
    tail = Tail(*rows, context=context, read=read) if fast else Plain(*rows, context=context)
    where = tail.labels != -100
    labels, share = tail.labels[where], _shares(tail.labels, weights)[where] / len(prompts)
    with torch.no_grad(), capture(em, {em.names(layer)["down"]: "output"}) as seen:
        tail.scored()
    every = torch.arange(len(prompts), device=em.device)
    written = seen[em.names(layer)["down"]][every, tail.at].double()  # v, (B, d_out)
    rms, norm = written.pow(2).mean().sqrt(), written.norm(dim=-1).mean()
    if not bool(norm.isfinite()):
        raise ModelError(f"Model '{em.name}' computes no numbers at layer {layer}. Get its files again.")
    residual = torch.zeros(em.width, dtype=torch.float64, device=em.device, requires_grad=True)
    rate = config.lr * float(rms) if config.relative else config.lr
    adam = torch.optim.Adam([residual], lr=rate, betas=config.betas)
    draw = torch.Generator().manual_seed(config.seed)
    low, high = config.gates
    losses: list[float] = []
    near: Tensor | None = None  # the tokens that stand for the vocabulary
    crowd = residual.new_zeros(0, em.width) if others is None else others.double().to(em.device)
    for step in range(config.steps + 1):
        if on_step is not None:
            on_step(step, config.steps)
        gates = torch.rand(len(prompts), generator=draw, dtype=torch.float64) * (high - low) + low
        aside = _aside(len(crowd), len(prompts), config.beside, draw).to(em.device) @ crowd
        added = residual * gates.to(em.device)[:, None] + aside
        if step % LOOK == 0 or step == config.steps:
            near = None
        logits = tail.scored(added, tokens=near)
        loss = _loss(logits, labels, share, near)
        if near is not None and loss.item() <= config.stop:  # the whole vocabulary has to agree
            near, logits = None, tail.scored(added)
            loss = _loss(logits, labels, share, near)
        losses.append(loss.item())
        if losses[-1] != losses[-1]:
            raise EditRefusedError(
                f"The value step at layer {layer} lost its footing: the loss is not a number."
            )
        if losses[-1] <= config.stop or step == config.steps:
            break
        adam.zero_grad()
        (loss + config.weight_decay * residual.pow(2).sum() / norm**2).backward()
        adam.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - step / config.steps))
        adam.step()
        if near is None and config.likeliest is not None:
            near = likeliest(logits, labels, config.likeliest)
        _shorten(residual, None if config.clamp is None else config.clamp * float(norm))
    return ValueResult(residual.detach(), tuple(losses), time.perf_counter() - begun)


def _aside(count: int, rows: int, beside: tuple[int, float], draw: torch.Generator) -> Tensor:
    """(rows, count) gates of what stands beside: a few others in each row, the rest 0."""
    if not count:
        return torch.zeros(rows, 0, dtype=torch.float64)
    most, far = beside
    few = torch.randint(0, most + 1, (rows, 1), generator=draw)
    turn = torch.rand(rows, count, generator=draw).argsort(1).argsort(1)
    gates = torch.rand(rows, count, generator=draw, dtype=torch.float64) * far
    return gates * (turn < few)


def _loss(logits: Tensor, labels: Tensor, share: Tensor, tokens: Tensor | None) -> Tensor:
    """Mean over rows, in nats, of logits (N, V) of these tokens, or of all."""
    places = labels if tokens is None else torch.searchsorted(tokens, labels)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return (cross_entropy(logits, places, reduction="none") * share).sum()


def _shares(labels: Tensor, weights: Sequence[Sequence[float]] | None) -> Tensor:
    """(B, T) how much each label's loss counts; rows without weights share 1 evenly."""
    live = (labels != -100).float()
    if weights is None:
        return live / live.sum(1, keepdim=True)
    share = torch.zeros_like(live)
    for b, row in enumerate(weights):
        share[b, : len(row)] = torch.tensor(row, device=live.device)
    return share * live


def _shorten(residual: Tensor, longest: float | None) -> None:
    if longest is not None:
        with torch.no_grad():
            residual.mul_((longest / residual.norm()).clamp(max=1.0))
