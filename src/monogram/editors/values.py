"""Find values: the residual that makes the model say a target when it is added where the answer starts.

Gradient steps on `r` alone (ROME, arXiv 2202.05262, §3.1, is the origin), with some things of our own: the
gate is drawn anew in every step, so that the value works however strongly its neuron fires; other residuals
may stand beside it, so that it works where other neurons fire a little, too; the layers below and the
prompt's prefix run once (`models.tail`, the fast path), in most steps the output head computes the likeliest
tokens alone, and rows may take turns (`parts`); and tokens may be weighted, so that an answer can be led to
say the target and then be left to the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from monogram.editors.parts import Pairs, Part, dealt
from monogram.errors import EditRefusedError, ModelError
from monogram.models.editable import EditableModel

OnStep = Callable[[int, int], None]
LOOK = 10
"""Every so many steps the whole vocabulary is looked at."""
NORMED = 1 / 3
"""Times the relative rate where the MLP's output is normed: its direction alone counts there, and a shorter
residual says as much and disturbs less where a neuron hardly fires (docs/log.md).
"""


@dataclass(frozen=True)
class ValueConfig:
    """How the value step runs.

    Attributes:
        steps: Adam steps at most.
        lr: Adam's learning rate, in units of the root mean square of the MLP's output at the lookup position
            where `relative` (`NORMED` times that where the output is normed), else absolute (ROME: 0.5).
        relative: what `lr` is measured in.
        betas: Adam's memory of gradients and of their squares.
        gates: the range (low, high) that gates are drawn from; (1, 1) draws none.
        beside: how many of the others that `value_step` is given may stand beside the value at most, drawn
            anew for each row and step, and up to which gate each.
        weight_decay: weight of ‖r‖²/‖v‖² in the loss (ROME: 1e-3).
        clamp: longest ‖r‖, in units of ‖v‖ (ROME: 4); None: no bound.
        stop: loss (without decay) at which the steps end, of every part.
        likeliest: how many tokens of each place, its likeliest ones, stand for the vocabulary between looks
            at all of it, which every tenth step and the last one take; None: all in every step.
        seed: of the gates.
        parts: how many parts the rows are dealt into, at most; each step takes one of them, in turn.
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
    parts: int = 1


@dataclass(frozen=True)
class ValueResult:
    """A value.

    Attributes:
        residual: (width,), float64.
        losses: before each step, of its part, then at the end, of all: mean negative log-likelihood per
            token, nats.
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
        read: the prompts without their last tokens, from `read_prefix`, where they are read already; it is
            used up, for it is large.
        on_step: called with (step, steps at most) before each step.

    Raises:
        EditRefusedError: the loss is no longer a number.
        ModelError: the model's own output is none.
    """
    begun = time.perf_counter()
    rows = Pairs(prompts, answers, context, weights)
    parts = dealt(em, layer, rows, config.parts, read=read, fast=fast)
    written = torch.cat([part.written for part in parts])  # v, (B, d_out)
    rms, norm = written.pow(2).mean().sqrt(), written.norm(dim=-1).mean()
    if not bool(norm.isfinite()):
        raise ModelError(f"Model '{em.name}' computes no numbers at layer {layer}. Get its files again.")
    residual = torch.zeros(em.width, dtype=torch.float64, device=em.device, requires_grad=True)
    unit = float(rms) * (1.0 if em.layout.post_norm is None else NORMED)
    rate = config.lr * (unit if config.relative else 1.0)
    adam = torch.optim.Adam([residual], lr=rate, betas=config.betas)
    draw = torch.Generator().manual_seed(config.seed)
    crowd = residual.new_zeros(0, em.width) if others is None else others.double().to(em.device)
    losses: list[float] = []
    for step in range(config.steps + 1):
        if on_step is not None:
            on_step(step, config.steps)
        if step == config.steps:
            losses.append(_mean(parts, residual, crowd, config, draw))
            break
        part = parts[step % len(parts)]
        added = _added(residual, len(part), crowd, config, draw)
        if step // len(parts) % LOOK == 0:
            loss = part.whole(added, config.likeliest)
        else:
            loss = part.near(added)
            if loss.item() <= config.stop:  # the whole vocabulary has to agree
                loss = part.whole(added, config.likeliest)
        losses.append(loss.item())
        if losses[-1] != losses[-1]:
            break
        if len(losses) >= len(parts) and max(losses[-len(parts) :]) <= config.stop:
            break
        adam.zero_grad()
        (loss + config.weight_decay * residual.pow(2).sum() / norm**2).backward()
        adam.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - step / config.steps))
        adam.step()
        _shorten(residual, None if config.clamp is None else config.clamp * float(norm))
    if losses[-1] != losses[-1]:
        raise EditRefusedError(f"The value step at layer {layer} lost its footing: the loss is not a number.")
    return ValueResult(residual.detach(), tuple(losses), time.perf_counter() - begun)


@torch.no_grad()
def _mean(
    parts: Sequence[Part], residual: Tensor, crowd: Tensor, config: ValueConfig, draw: torch.Generator
) -> float:
    """Loss of all rows, each with a gate of its own."""
    each = [float(part.whole(_added(residual, len(part), crowd, config, draw))) * len(part) for part in parts]
    return sum(each) / sum(map(len, parts))


def _added(residual: Tensor, rows: int, crowd: Tensor, config: ValueConfig, draw: torch.Generator) -> Tensor:
    """(rows, d_out) the residual at gates that are drawn, and others beside it."""
    low, high = config.gates
    gates = torch.rand(rows, generator=draw, dtype=torch.float64) * (high - low) + low
    aside = _aside(len(crowd), rows, config.beside, draw).to(residual.device) @ crowd
    return residual * gates.to(residual.device)[:, None] + aside


def _aside(count: int, rows: int, beside: tuple[int, float], draw: torch.Generator) -> Tensor:
    """(rows, count) gates of what stands beside: a few others in each row, the rest 0."""
    if not count:
        return torch.zeros(rows, 0, dtype=torch.float64)
    most, far = beside
    few = torch.randint(0, most + 1, (rows, 1), generator=draw)
    turn = torch.rand(rows, count, generator=draw).argsort(1).argsort(1)
    gates = torch.rand(rows, count, generator=draw, dtype=torch.float64) * far
    return gates * (turn < few)


def _shorten(residual: Tensor, longest: float | None) -> None:
    if longest is not None:
        with torch.no_grad():
            residual.mul_((longest / residual.norm()).clamp(max=1.0))
