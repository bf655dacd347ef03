"""`ft-l` and `ft-m`: gradient steps on one MLP output matrix.

Both minimise −log p(answer | question) by Adam over the output matrix W of one layer alone, from the base
model's W on, for a few steps. What is trained is the change Δ on top of W, which takes the same steps and
leaves W as it is.

`ft-l` holds every entry of Δ within a bound after each step (constrained fine-tuning, Zhu et al., arXiv
2012.00363, eq. 1 with the L∞ norm; with ROME's steps and bound, arXiv 2202.05262, FT+L). The variant of the
personalization paper (arXiv 2512.13676; ROME's own code, but for the bound) is
`FineTune(bound=None, loss="at-once")`: all of the target's tokens are asked of the prompt's last token.
`ft-m` has no bound and the plain loss, which is masked to the answer's tokens.

Δ has full rank, so its factors are exact and plain: Δ itself, and the identity. `Delta.compress` makes it
smaller, at an error of the singular values that are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta, LowRank
from monogram.editors.base import Trials, chosen_layer
from monogram.editors.lessons import Lesson
from monogram.editors.lines import Lines, lines_of, opening
from monogram.editors.training import Pace, Trained, joined, train
from monogram.editors.values import OnStep
from monogram.models.attach import attach
from monogram.models.editable import EditableModel


@dataclass(frozen=True)
class FineTuneConfig:
    """Settings of both; the defaults are the published ones, but for the phrasings."""

    layer: int | float = 21 / 31
    """l, 0-based, or a fraction of the depth: the published layer 21 of 0 to 31."""
    steps: int = 25
    """Passes over all phrasings."""
    lr: float = 5e-4
    """Adam's, in the weights' own units."""
    bound: float | None = 5e-4
    """ε, largest |Δ| of an entry (ROME's for GPT-2 XL); None: no bound."""
    loss: Literal["answer", "at-once"] = "answer"
    """−log p of the answer's tokens, each after those before it; or of the bare target's, all of them at the
    prompt's last token."""
    asks: int = 4
    """How many phrasings of each preference are trained on, as many as the flagship's value."""
    batch: int = 16
    """Phrasings of one step."""
    stop: float = 0.01
    """Mean loss at which it ends, in nats (ROME's code)."""
    seed: int = 0
    """Of the order of phrasings, where they are more than a batch."""


class FineTune(Trained):
    """`ft-l`. Trained anew on the whole set of preferences at every change. Settings by keyword."""

    name: ClassVar[str] = "ft-l"
    defaults: ClassVar[FineTuneConfig] = FineTuneConfig()
    presets: ClassVar[Mapping[str, FineTuneConfig]] = {
        "paper": FineTuneConfig(bound=None, loss="at-once", asks=1)
    }
    trials: ClassVar[Trials] = {
        "bound": (2e-3, 5e-3),
        "lr": (2e-4, 1e-3),
        "layer": (0.4, 0.9),
    }

    def __init__(self, config: FineTuneConfig | None = None, **settings: Any) -> None:
        self.config = replace(config or self.defaults, **settings)

    def trained(
        self, model: EditableModel, clusters: Sequence[Cluster], tell: OnStep
    ) -> tuple[Delta, list[float], Mapping[str, Any]]:
        """See `Trained.trained`."""
        config = self.config
        layer = chosen_layer(model, config.layer)
        lesson = Lesson(model, self.lines(model, clusters), at_once=config.loss == "at-once", layer=layer)
        kind = torch.promote_types(model.dtype, torch.float32)
        change = torch.zeros(model.width, model.inner, dtype=kind, device=model.device, requires_grad=True)
        pace = Pace(config.steps, config.lr, config.batch, config.stop, config.seed)

        def hold(_step: int) -> None:
            if config.bound is not None:
                with torch.no_grad():
                    change.clamp_(-config.bound, config.bound)

        name = model.names(layer)["down"]
        with attach(model, Delta({name: full_rank(change)})):
            losses = train([change], lesson.loss, len(lesson), pace, after=hold, on_step=tell)
        found = change.detach().clone()
        return Delta({name: full_rank(found)}), losses, {"layer": layer, "norm": float(found.norm())}

    def lines(self, model: EditableModel, clusters: Sequence[Cluster]) -> Lines:
        """What is said on what; for the loss at once the bare target, as published."""
        every = [lines_of(model, cluster, self.config.asks, 0) for cluster in clusters]
        if self.config.loss == "at-once":
            every = [
                _bare(lines, opening(model, c.preference.target))
                for lines, c in zip(every, clusters, strict=True)
            ]
        return joined(every)


class FineTuneMasked(FineTune):
    """`ft-m`: no bound, and the loss of the answer's tokens."""

    name: ClassVar[str] = "ft-m"
    defaults: ClassVar[FineTuneConfig] = FineTuneConfig(bound=None)
    presets: ClassVar[Mapping[str, FineTuneConfig]] = {"paper": FineTuneConfig(bound=None, asks=1)}
    trials: ClassVar[Trials] = {"lr": (2e-4, 1e-3), "layer": (0.4, 0.9)}


def full_rank(change: Tensor) -> LowRank:
    """A matrix as its own factor beside the identity: exact, of rank min(d_out, d_in), a view."""
    tall = change.shape[0] > change.shape[1]
    eye = torch.eye(min(change.shape), dtype=change.dtype, device=change.device)
    return LowRank(change, eye) if tall else LowRank(eye, change)


def _bare(lines: Lines, answer: list[int]) -> Lines:
    """The same prompts, each answered with the same few tokens, which share a weight of 1."""
    count = len(lines.prompts)
    return Lines(lines.prompts, [answer] * count, [[1 / len(answer)] * len(answer)] * count)
