"""The flagship's values: what makes a model say a cluster's lines, whatever else fires beside it a little.

A person's neurons are found each as if alone, and stand side by side: one that fires a little at another's
question adds its residual there. So a value is trained with others beside it. Whose they are matters little,
so they are those of the attribute table's own examples, found once for a model, a layer and settings; they
are of nobody's words, the same for every person, and kept on disk for everybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monogram import tensors as disk
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand
from monogram.clusters.table import table
from monogram.editors.base import Progress
from monogram.editors.kept import address
from monogram.editors.lines import gone_on, openings
from monogram.editors.values import OnStep, ValueConfig, ValueResult, value_step
from monogram.files import home
from monogram.models.editable import EditableModel
from monogram.models.prefix import read_prefix
from monogram.preferences import Preference


@cache
def examples(count: int) -> tuple[Cluster, ...]:
    """Clusters of so many of the attribute table's examples, evenly spread."""
    names = table().names
    chosen = [table().attributes[names[i * len(names) // count]] for i in range(count)]
    return tuple(expand(Preference(a.name, a.examples[0], "", a.polarity)) for a in chosen)


@cache
def _digest(count: int) -> str:
    """Of all that is in these clusters: the table may change."""
    return hashlib.sha256(repr(examples(count)).encode()).hexdigest()


@dataclass(frozen=True)
class Values:
    """How the values of one model and layer are found.

    Attributes:
        layer: 0-based.
        asks, advice, value, company, fast: as in `NeuronConfig`.
    """

    model: EditableModel
    layer: int
    asks: int
    advice: int
    value: ValueConfig
    company: int
    fast: bool

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides a value, beside model, layer and cluster."""
        lines, company = [self.asks, self.advice], [self.company, _digest(self.company)]
        return {"lines": lines, "value": self.value, "company": company, "fast": self.fast}

    def find(
        self, cluster: Cluster, on_step: OnStep | None = None, progress: Progress | None = None
    ) -> ValueResult:
        """The value of a cluster. `progress` is for the company, where that has to be found."""
        begun = openings(self.model, cluster, self.asks, self.advice)
        with torch.no_grad():  # once, for how the base model goes on and for the steps
            read = read_prefix(self.model.model, [prompt[:-1] for prompt in begun.prompts])
        lines = gone_on(self.model, begun, read)
        return value_step(
            self.model,
            self.layer,
            lines.prompts,
            lines.answers,
            self.value,
            weights=lines.weights,
            others=self.others(progress) if self.company else None,
            fast=self.fast,
            read=read,
            on_step=on_step,
        )

    def others(self, progress: Progress | None = None) -> Tensor:
        """Residuals of examples, each found alone and the fast way, (company, d_out) float64; from the disk,
        or found now and kept.
        """
        alone, clusters = replace(self, company=0, fast=True), examples(self.company)

        def find() -> Tensor:
            found: list[Tensor] = []
            for cluster in clusters:
                if progress is not None:
                    progress("finding what may stand beside", len(found), len(clusters))
                found.append(alone.find(cluster).residual)
            return torch.stack(found)

        return disk.once(self._path(alone, clusters), "residuals", find).to(self.model.device)

    def _path(self, alone: Values, clusters: Sequence[Cluster]) -> Path:
        names = (address(self.model, self.layer, c, alone.settings) for c in clusters)
        name = hashlib.sha256(" ".join(names).encode()).hexdigest()[:32]
        return home() / "cache" / "company" / f"{name}.safetensors"
