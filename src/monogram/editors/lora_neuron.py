"""`lora-neuron`: a plain LoRA of the flagship's size and place, trained on its texts: its strongest rival.

The same matrices of the same layer as `neuron`, rank 1 for each preference, the same phrasings with the same
answers. What the flagship's detector is held against (the clusters' contrast phrasings, the pool's other
attributes and unrelated prompts) stands in the loss:

    mean_lines −log p(answer)  +  kl · mean_still KL(base ‖ now)

where `still` are such conversations with the first words of the base model's own answers (LoRA: arXiv
2106.09685, §4.1; the KL term as in MEND's locality loss, arXiv 2110.11309, eq. 4b).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.pool import contrast_of, pool
from monogram.delta import Delta
from monogram.editors.adapters import library, on
from monogram.editors.base import Trials, chosen_layer
from monogram.editors.lessons import Lesson, Still
from monogram.editors.lines import lines_of
from monogram.editors.neuron import NeuronConfig
from monogram.editors.training import Pace, Trained, joined, train
from monogram.editors.values import OnStep
from monogram.models.editable import EditableModel

STOP = 0.05
"""Mean loss of a pass, both terms, at which it ends, in nats: where the flagship's value ends, too."""
WORDS = 8
"""Tokens of the base model's own answers that shall stay."""


@dataclass(frozen=True)
class LoraNeuronConfig:
    """Settings of `lora-neuron`; layer, asks and advice are the flagship's. How the others were found is in
    docs/log.md.
    """

    layer: int | float = NeuronConfig.layer
    """Which layer, or its place as a fraction of the depth."""
    steps: int = 30
    """Passes over all phrasings, at most."""
    lr: float = 0.03
    """Adam's."""
    kl: float = 1.0
    """Weight of what shall stay."""
    asks: int = NeuronConfig.asks
    """How many phrasings of each preference are trained on that ask,"""
    advice: int = NeuronConfig.advice
    """and of each kind that wants advice."""
    still: int = 96
    """How many conversations shall stay, drawn from contrast, other attributes and unrelated prompts."""
    batch: int = 16
    """Phrasings of one step; so many that shall stay go with them."""
    seed: int = 0
    """Of A, of the order of phrasings, and of what shall stay."""


class LoraNeuron(Trained):
    """Trained anew on the whole set of preferences at every change. Settings by keyword."""

    name: ClassVar[str] = "lora-neuron"
    trials: ClassVar[Trials] = {
        "layer": (0.5, 0.6, 0.9),
        "kl": (0.3, 3.0, 10.0),
        "lr": (0.01,),
        "steps": (60,),
    }

    def __init__(self, config: LoraNeuronConfig | None = None, **settings: Any) -> None:
        self.config = replace(config or LoraNeuronConfig(), **settings)

    def trained(
        self, model: EditableModel, clusters: Sequence[Cluster], tell: OnStep
    ) -> tuple[Delta, list[float], Mapping[str, Any]]:
        """See `Trained.trained`; the details' loss holds both terms."""
        config: LoraNeuronConfig = self.config
        layer = chosen_layer(model, config.layer)
        names = model.names(layer)
        places = sorted({names[role] for role in ("gate", "up", "down") if role in names})
        lines = joined([lines_of(model, c, config.asks, config.advice) for c in clusters])
        lesson = Lesson(model, lines, layer=layer)
        draw = torch.Generator().manual_seed(config.seed)
        chats = [phrasing.messages() for phrasing in self.still(clusters, draw)]
        still = Still(model, chats, longest=WORDS, batch=config.batch, layer=layer)

        def loss(chosen: list[int]) -> Tensor:
            said = lesson.loss(chosen)
            if not len(still):
                return said
            some = torch.randperm(len(still), generator=draw)[: config.batch].tolist()
            return said + config.kl * still.drift(some)

        rank = len(clusters)
        made = library().LoraConfig(
            r=rank, lora_alpha=rank, target_modules=places, fan_in_fan_out=model.layout.conv1d
        )
        pace = Pace(config.steps, config.lr, config.batch, STOP, config.seed)
        with on(model, made, config.seed) as adapters:
            losses = train(adapters.parameters, loss, len(lesson), pace, on_step=tell)
            return adapters.delta(), losses, {"layer": layer, "still": len(still)}

    def still(self, clusters: Sequence[Cluster], draw: torch.Generator) -> list[Phrasing]:
        """What shall stay, a third of each kind as far as there are so many. What one of the clusters wants
        changed is nobody's contrast.
        """
        told = [contrast_of(cluster) for cluster in clusters]
        asks, others, unrelated = (
            set.intersection(*(set(places[part]) for places in told)) for part in range(3)
        )
        groups = [
            list(dict.fromkeys(p for cluster in clusters for p in cluster.contrast)),
            [pool()[place].phrasing for place in sorted(asks | others)],
            [pool()[place].phrasing for place in sorted(unrelated)],
        ]
        each = self.config.still // len(groups)
        drawn = [torch.randperm(len(group), generator=draw)[:each].tolist() for group in groups]
        return [group[i] for group, places in zip(groups, drawn, strict=True) for i in places]
