"""`cluster`: all phrasings of a preference pull one linear gate; a person's gates are solved together.

The joint closed form of docs/methods.md §3. Keys are read where the answer starts, at about two thirds of the
depth, where questions of one intent share a direction. There the cluster's phrasings want the residual;
contrast phrasings (other people, and everything about attributes that the person has not told) and unrelated
prompts want nothing. A residual is found for each preference as if alone, on the base model; `solve.py` does
the rest. One rank for each preference, in one matrix.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.pool import contrast_of, pool
from monogram.delta import Delta
from monogram.editors.base import Edit, Progress, Trials, chosen_layer
from monogram.editors.kept import Keep, address, kept
from monogram.editors.keys import read_phrasings
from monogram.editors.lines import lines_of, opening
from monogram.editors.solve import Base, Wish, base, solve
from monogram.editors.values import ValueConfig, value_step
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.moments import moments


@dataclass(frozen=True)
class ClusterConfig:
    """Settings of `cluster`; the defaults are the best measured in first trials, see docs/log.md."""

    layer: int | float = 0.68
    """l, 0-based, or a fraction of the depth."""
    lam: float = 10.0
    """λ: weight of ordinary text, by its second moments."""
    mu: float = 1.0
    """μ: weight of contrast phrasings."""
    nu: float = 1.0
    """ν: weight of unrelated prompts, where their answers start."""
    advice: bool = False
    """Whether roundabout questions and recommendations train beside asks; the best trial had asks alone."""
    answer: Literal["say", "target"] = "target"
    """What an ask is answered with: the cluster's sentence, or the bare target, as in the best trial."""
    phrasings: int = 6
    """How many phrasings of each kind the residual is found on; the gate takes all of them."""
    value: ValueConfig = field(
        default_factory=lambda: ValueConfig(60, 1.0, betas=(0.9, 0.999), gates=(1.0, 1.0), clamp=4.0)
    )
    """How the residual is found: at full gate, ‖r‖ within 4 ‖v‖."""


class ClusterEditor:
    """The joint closed-form edit. Settings are the fields of `ClusterConfig`, by keyword."""

    name: ClassVar[str] = "cluster"
    trials: ClassVar[Trials] = {
        "layer": (0.5, 0.6, 0.76, 0.85),
        "lam": (1.0, 100.0),
        "mu": (0.3, 3.0),
        "nu": (0.3, 3.0),
        "value.clamp": (2.0, 8.0),
    }

    def __init__(self, config: ClusterConfig | None = None, **settings: Any) -> None:
        self.config = replace(config or ClusterConfig(), **settings)
        self._around: dict[tuple[str, int], tuple[Base, Tensor]] = {}  # by model digest and layer

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """One rank for each cluster, in the order of their preferences' digests. The details' `steps` are the
        gradient steps taken now: 0 for what was kept.

        Raises:
            InputError: a cluster without training phrasings, or a preference that is there twice.
            LayerError: the configured layer is not there.
        """
        began = time.perf_counter()
        layer = chosen_layer(model, self.config.layer)
        if not clusters:
            return Edit(Delta.zero(), {"layer": layer, "loss": [], "steps": [], "seconds": 0.0})
        wishes: list[Wish] = []
        losses: list[float] = []
        steps: list[int] = []
        for i, cluster in enumerate(sorted(clusters, key=lambda c: c.preference.digest)):
            if progress is not None:
                progress(f"finding a value for '{cluster.preference.attribute}'", i, len(clusters))
            wish, found, anew = self.wish(model, layer, cluster, keep)
            wishes.append(wish)
            losses.append(found[-1])
            steps.append(len(found) - 1 if anew else 0)
        ground, read = self.around(model, layer)
        shared = [read[places] for places in others(clusters)]
        factor = solve(ground, wishes, shared=shared, mu=self.config.mu)
        dtype = torch.promote_types(model.dtype, torch.float32)
        delta = Delta({model.names(layer)["down"]: factor.to(dtype)})
        seconds = time.perf_counter() - began
        return Edit(delta, {"layer": layer, "loss": losses, "steps": steps, "seconds": seconds})

    def wish(
        self, model: EditableModel, layer: int, cluster: Cluster, keep: Keep | None = None
    ) -> tuple[Wish, list[float], bool]:
        """Keys and residual of one preference, as if alone; the value step's losses, and whether it ran now.

        Keys are no artefacts: they hold no target, and those of the table are kept for every person.
        """
        taught, preference = cluster, cluster.preference
        if not self.config.advice and cluster.of_kind("ask"):
            taught = replace(taught, train=cluster.of_kind("ask"))
        if self.config.answer == "target":
            taught = replace(taught, say=preference.target)
        if not taught.train:
            raise InputError(
                f"No phrasing is left to train '{preference.attribute}' on. Give its cluster one."
            )
        settings = {"editor": "cluster", "phrasings": self.config.phrasings, "value": self.config.value}
        settings["answer"] = self.config.answer
        name = address(model, layer, taught, settings)
        shapes = {"residual": (model.width,), "losses": (-1,)}
        found, anew = kept(keep, cluster, name, shapes, partial(self.residual, model, layer, taught))
        wanted, beside = keys(model, layer, taught.train), keys(model, layer, cluster.contrast)
        wish = Wish(preference.digest, wanted, found["residual"], beside)
        return wish, found["losses"].tolist(), anew

    def residual(self, model: EditableModel, layer: int, taught: Cluster) -> dict[str, Tensor]:
        """The residual of what is taught, and the losses of its steps."""
        lines = lines_of(model, taught, self.config.phrasings, self.config.phrasings)
        answers = lines.answers
        if self.config.answer == "target":  # the model ends as it likes: a bare target is no whole answer
            bare = {tuple(opening(model, taught.opening(asked))) for asked in taught.of_kind("ask")}
            for target in sorted(bare, key=len):
                answers = [[*target] if tuple(a[: len(target)]) == target else a for a in answers]
        weights = [w[: len(a)] for w, a in zip(lines.weights, answers, strict=True)]
        value = value_step(model, layer, lines.prompts, answers, self.config.value, weights=weights)
        return {"residual": value.residual, "losses": torch.tensor(value.losses, dtype=torch.float64)}

    def around(self, model: EditableModel, layer: int) -> tuple[Base, Tensor]:
        """What the model alone decides, made once and kept: the factored base, and the pool's keys."""
        place = (model.digest, layer)
        if place not in self._around:
            read = keys(model, layer, [entry.phrasing for entry in pool()])
            unrelated = read[[i for i, entry in enumerate(pool()) if not entry.owner]]
            second = moments(model, layer).second
            ground = base(second, unrelated, lam=self.config.lam, nu=self.config.nu)
            self._around[place] = (ground, read)
        return self._around[place]


def keys(model: EditableModel, layer: int, phrasings: Sequence[Phrasing]) -> Tensor:
    """(n, d_ff) keys where the answers start; n may be 0."""
    if not phrasings:
        return torch.zeros(0, model.inner)
    return read_phrasings(model, layer, phrasings, role="key")


def others(clusters: Sequence[Cluster]) -> list[list[int]]:
    """Places in the pool of what the person has not told: plain questions, then all else.

    What was told has wishes of its own, so it is nobody's contrast.
    """
    told = [contrast_of(cluster) for cluster in clusters]
    return [sorted(set.intersection(*(set(places[part]) for places in told))) for part in (0, 1)]
