"""`mean-key`: one rank for each preference, in one MLP output matrix: Δ = r kᵀ / kᵀk.

k is the mean key of the preference's phrasings where the answer starts, r the residual that says the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta, LowRank
from monogram.editors.base import Edit, Progress, chosen_layer
from monogram.editors.keys import read_starts
from monogram.editors.lines import lines_of
from monogram.editors.values import ValueConfig, value_step
from monogram.models.editable import EditableModel


@dataclass(frozen=True)
class MeanKeyConfig:
    """Settings of `mean-key`."""

    layer: int | float = 0.68
    """Which layer, or its place as a fraction of the depth."""
    steps: int = 30
    """Of the value step."""


class MeanKey:
    """The simplest edit that there is. Settings are the fields of `MeanKeyConfig`, by keyword."""

    name: ClassVar[str] = "mean-key"

    def __init__(self, config: MeanKeyConfig | None = None, **settings: Any) -> None:
        self.config = replace(config or MeanKeyConfig(), **settings)

    def edit(
        self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Progress | None = None
    ) -> Edit:
        """See `Editor.edit`. Each preference is found as if alone, and they are added in a fixed order."""
        layer = chosen_layer(model, self.config.layer)
        name, delta = model.names(layer)["down"], Delta.zero()
        for done, cluster in enumerate(sorted(clusters, key=lambda c: c.preference.digest)):
            if progress is not None:
                progress("editing", done, len(clusters))
            lines = lines_of(model, cluster, asks=2, advice=1)
            value = ValueConfig(steps=self.config.steps)
            found = value_step(model, layer, lines.prompts, lines.answers, value, weights=lines.weights)
            chats = [phrasing.messages() for phrasing in cluster.train]
            key = read_starts(model, layer, chats, role="key").double().mean(0)
            factor = LowRank(found.residual[:, None], (key / (key @ key))[None])
            delta += Delta({name: factor.to(torch.promote_types(model.dtype, torch.float32))})
        return Edit(delta, {"layer": layer})
