"""The flagship: a neuron of its own for each preference (docs/methods.md §2).

In a gated MLP, y = D (act(G x) ⊙ (U x)), the neuron that does least on ordinary text is overwritten:

    g_n ← z · detector        fires on the intent, where an answer starts       (detect.fit)
    u_n ← start / z           is 1 where an answer starts, 0 at other tokens    (detect.constant)
    d_n ← r                   what makes the model say the target               (values.value_step)

so that its activation is about 1 on the intent and nothing elsewhere: the two rows are a product of two
readings, *what* is asked and *that* an answer starts here. Without a gate (GPT-2's kin),
y = D act(U x + b), the detector does both. The residual belongs to one preference alone. Two things hang on
the set: each detector is held against what the person's others are asked with, and preferences in the order
of their digests take the neurons in the order of their importance, least first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.editors.apart import Detect, told_apart
from monogram.editors.base import Edit, Progress, Trials, chosen_layer
from monogram.editors.company import Values
from monogram.editors.intent import Ground
from monogram.editors.kept import Keep, Tensors, address, kept, known
from monogram.editors.keys import read_phrasings
from monogram.editors.overwrite import free, overwrite
from monogram.editors.rows import Rows
from monogram.editors.values import OnStep, ValueConfig, ValueResult
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.moments import moments


@dataclass(frozen=True)
class NeuronConfig:
    """Settings of `neuron`. How the defaults were found, and on which data, is in docs/log.md.

    Attributes:
        layer: which layer, or its place as a fraction of the depth.
        strength: C of the detector's ridge, see `detect.fit`; beside others `intent.FREER` times that.
        margin: how far below 0 negatives are pushed.
        threshold: added to the detector where an answer starts, in units of its 1; negative fires less.
        sharpness: z, the pre-activation at gate 1; the larger, the nearer the activation is to a line from 0.
        asks, advice: how many phrasings the value step uses that ask, and of each kind that wants advice.
        value: the value step's settings.
        company: how many examples' residuals may stand beside the value, see `company.py`.
        fast: the tail alone in the value step; False runs the whole model (`neuron-plain`).
    """

    layer: int | float = 0.83
    strength: float = 3.0
    margin: float = 0.3
    threshold: float = -0.1
    sharpness: float = 10.0
    asks: int = 8
    advice: int = 5
    value: ValueConfig = field(default_factory=partial(ValueConfig, parts=2))
    company: int = 6
    fast: bool = True


class Neuron:
    """One neuron for each preference; three rank-one changes of one layer."""

    name: ClassVar[str] = "neuron"
    trials: ClassVar[Trials] = {"value.clamp": (2.0, 4.0), "value.steps": (40,)}

    def __init__(self, config: NeuronConfig | None = None, **settings: object) -> None:
        self.config = replace(config or NeuronConfig(), **settings)  # type: ignore[arg-type]

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """See `Editor.edit`. The details' `steps` are the gradient steps taken now: 0 for what was kept.

        Raises:
            LayerError: the layer is not there.
            InputError: more preferences than the layer has neurons, or one of them twice.
        """
        layer = chosen_layer(model, self.config.layer)
        ordered = sorted(clusters, key=lambda c: c.preference.digest)
        if len({c.preference.digest for c in ordered}) < len(ordered) or len(ordered) > model.inner:
            raise InputError(
                f"{len(ordered)} preferences were given for the {model.inner} neurons of a layer; "
                "give each preference once, and at most as many as there are neurons."
            )
        begun = time.perf_counter()
        around = moments(model, layer, progress=progress)
        ground = Ground(model, around)
        parts, steps, names = list[Tensors](), list[int](), list[str]()
        for done, cluster in enumerate(ordered):
            tell = partial(_tell, progress, done, len(ordered))
            tell(0, 1)
            names.append(self._address(ground, cluster))
            find = partial(self._find, cluster, ground, tell, progress)
            found, anew = kept(keep, cluster, names[-1], _shapes(model), find)
            parts.append(found)
            steps.append(len(found["losses"]) - 1 if anew else 0)
        apart = told_apart(self._detect(ground), ordered, parts, names, keep=keep, progress=progress)
        stitches = [self._rows(model).stitch(found) for found in apart]
        details = {
            "layer": layer,
            "neurons": free(model, around)[: len(ordered)].tolist(),
            "loss": [s.losses[-1] for s in stitches],
            "steps": steps,
            "seconds": time.perf_counter() - begun,
        }
        return Edit(overwrite(model, around, stitches), details)

    def readings(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        groups: Sequence[Sequence[Phrasing]],
        keep: Keep,
    ) -> list[Tensor] | None:
        """See `base.Reads`: the product of both rows at the phrasings, without the answer."""
        layer = chosen_layer(model, self.config.layer)
        ground = Ground(model, moments(model, layer))
        names = [self._address(ground, cluster) for cluster in clusters]
        told = [known(keep, c, name, _shapes(model)) for c, name in zip(clusters, names, strict=True)]
        parts = [found for found in told if found is not None]
        if len(parts) < len(told):
            return None
        rows = self._rows(model)
        apart = told_apart(self._detect(ground), clusters, parts, names, keep=keep)
        neurons = [rows.of(found) for found in apart]
        return [rows.fired(neurons, read_phrasings(model, layer, group)) for group in groups]

    def fires(self, model: EditableModel, found: Tensors, x: Tensor) -> Tensor:
        """See `base.Detects`."""
        rows = self._rows(model)
        return rows.fired([rows.of(found)], x)[:, 0]

    def _find(
        self,
        cluster: Cluster,
        ground: Ground,
        on_step: OnStep | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Tensor]:
        """What is costly: the detector, the two constants, and the residual with its losses."""
        value = self._values(ground.model).find(cluster, on_step, progress)
        losses = torch.tensor(value.losses, dtype=torch.float64)
        return {**self.detectors(ground, cluster), "residual": value.residual, "losses": losses}

    def detectors(self, ground: Ground, cluster: Cluster) -> dict[str, Tensor]:
        """See `base.Detects`: the detector and the two constants."""
        detector = self._detect(ground)(cluster)
        return {"detector": detector, "start": ground.start, "steady": ground.steady}

    def _detect(self, ground: Ground) -> Detect:
        return partial(ground.detector, strength=self.config.strength, margin=self.config.margin)

    def _rows(self, model: EditableModel) -> Rows:
        return Rows(model, self.config.threshold, self.config.sharpness)

    def _values(self, model: EditableModel) -> Values:
        config, layer = self.config, chosen_layer(model, self.config.layer)
        return Values(model, layer, config.asks, config.advice, config.value, config.company, config.fast)

    def _address(self, ground: Ground, cluster: Cluster) -> str:
        settings = {
            "editor": "neuron",
            "detector": [self.config.strength, self.config.margin],
            **self._values(ground.model).settings,
            "ground": ground.digest,
            "pool": ground.places(cluster),
        }
        return address(ground.model, ground.around.layer, cluster, settings)

    def value_step(
        self, model: EditableModel, cluster: Cluster, on_step: OnStep | None = None
    ) -> ValueResult:
        """The value step alone, for `bench cost`."""
        return self._values(model).find(cluster, on_step)


def _shapes(model: EditableModel) -> dict[str, tuple[int, ...]]:
    parts = dict.fromkeys(("detector", "start", "steady", "residual"), (model.width,))
    return {**parts, "losses": (-1,)}


def _tell(progress: Progress | None, done: int, count: int, step: int, steps: int) -> None:
    """Report steps of one of `count` preferences, so that a bar moves within a preference, too."""
    if progress is not None:
        progress("stitching preferences", done * steps + step, count * steps)
