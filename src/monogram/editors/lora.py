"""`lora` and `adalora`: low-rank adapters of the attention, trained through `peft`.

LoRA (arXiv 2106.09685, §4.1): W + (alpha / r) B A on the query and value projections of every layer, A drawn,
B zero, both trained. AdaLoRA (arXiv 2303.10512, eq. 3): W + (alpha / r) P Λ Q, where the least important of
Λ's entries are set to zero until the budget is met, and P and Q are held near orthogonal (eq. 4). Settings
are the personalization paper's (arXiv 2512.13676); the loss is that of the answers' tokens.

`peft` puts its layers on for the length of the training and takes them off in any case; the base weights are
never merged with anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta
from monogram.editors.adapters import attention, library, on, orthogonality
from monogram.editors.base import Trials
from monogram.editors.lessons import Lesson
from monogram.editors.lines import lines_of
from monogram.editors.training import Pace, Trained, joined, train
from monogram.editors.values import OnStep
from monogram.models.editable import EditableModel

ORTHOGONAL = 0.5
"""γ, what P and Q off orthogonal count in AdaLoRA's loss (`peft`'s default)."""


@dataclass(frozen=True)
class LoraConfig:
    """Settings of both; the defaults are the published ones, but for the phrasings."""

    rank: int = 8
    """r; of AdaLoRA what its matrices have on average at the end."""
    alpha: float = 32.0
    """B A counts alpha / r."""
    dropout: float = 0.1
    """Share of an adapter's inputs that are left out while it trains."""
    steps: int = 70
    """Passes over all phrasings."""
    lr: float = 5e-3
    """Adam's."""
    asks: int = 4
    """How many phrasings of each preference are trained on, as many as the flagship's value."""
    batch: int = 16
    """Phrasings of one step."""
    stop: float = 0.01
    """Mean loss at which it ends, in nats; AdaLoRA goes on until its budget is met."""
    seed: int = 0
    """Of A, of dropout, and of the order of phrasings."""


class Lora(Trained):
    """`lora`. Trained anew on the whole set of preferences at every change. Settings by keyword."""

    name: ClassVar[str] = "lora"
    presets: ClassVar[Mapping[str, LoraConfig]] = {"paper": LoraConfig(asks=1)}
    trials: ClassVar[Trials] = {
        "lr": (1e-3, 3e-4),
        "steps": (30,),
    }

    def __init__(self, config: LoraConfig | None = None, **settings: Any) -> None:
        self.config = replace(config or LoraConfig(), **settings)

    def trained(
        self, model: EditableModel, clusters: Sequence[Cluster], tell: OnStep
    ) -> tuple[Delta, list[float], Mapping[str, Any]]:
        """See `Trained.trained`."""
        config = self.config
        lesson = Lesson(model, joined([lines_of(model, cluster, config.asks, 0) for cluster in clusters]))
        pace = Pace(config.steps, config.lr, config.batch, config.stop, config.seed)
        made = library().LoraConfig(r=config.rank, **self.places(model))
        with on(model, made, config.seed) as adapters:
            losses = train(adapters.parameters, lesson.loss, len(lesson), pace, on_step=tell)
            return adapters.delta(), losses, {}

    def places(self, model: EditableModel) -> dict[str, Any]:
        """What both tell `peft` alike."""
        return {
            "lora_alpha": self.config.alpha,
            "lora_dropout": self.config.dropout,
            "target_modules": attention(model),
            "fan_in_fan_out": model.layout.conv1d,
        }


class AdaLora(Lora):
    """`adalora`: the ranks go where they matter. No early end: the budget is met at the last step."""

    name: ClassVar[str] = "adalora"

    def trained(
        self, model: EditableModel, clusters: Sequence[Cluster], tell: OnStep
    ) -> tuple[Delta, list[float], Mapping[str, Any]]:
        """See `Trained.trained`."""
        config = self.config
        lesson = Lesson(model, joined([lines_of(model, cluster, config.asks, 0) for cluster in clusters]))
        pace = Pace(config.steps, config.lr, config.batch, -1.0, config.seed)
        total = config.steps * -(-len(lesson) // config.batch)
        made = library().AdaLoraConfig(
            init_r=config.rank * 3 // 2,
            target_r=config.rank,
            tinit=total // 10,
            tfinal=total // 2,
            total_step=total,
            orth_reg_weight=ORTHOGONAL,
            **self.places(model),
        )
        with on(model, made, config.seed) as adapters:
            layers = list(adapters.layers())

            def loss(chosen: list[int]) -> Tensor:
                return lesson.loss(chosen) + ORTHOGONAL * orthogonality(layers)

            losses = train(
                adapters.parameters,
                loss,
                len(lesson),
                pace,
                after=adapters.tuner.update_and_allocate,
                on_step=tell,
            )
            return adapters.delta(), losses, {}
