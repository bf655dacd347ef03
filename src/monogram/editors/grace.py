"""`grace`: a codebook beside one matrix; where a known question's key is near, its value is put out instead.

GRACE (arXiv 2211.11031, §3): an entry is the key of a question where its answer starts, a radius ε, and a
value that is trained until the model gives the answer. Nothing of the weights changes, so the edit is a
`Codebook`, no delta. Three things differ from the authors' code: a value starts from what the matrix
puts out (there: at random); an entry fires wherever its key is near (there: at the prompt's last token), so
that it can ride in any batch; and radii that meet are cut half-way whoever came first, as a function of the
set alone. So one entry is found as if alone, kept, and taken out by its preference's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from monogram.editors.base import Trials, chosen_layer
from monogram.editors.by_fact import ByFact, Part, Write
from monogram.editors.codebook import Codebook
from monogram.editors.facts import Asking, Fact
from monogram.editors.keys import read_at
from monogram.editors.values import ValueConfig, value_step
from monogram.models.editable import EditableModel


@dataclass(frozen=True)
class GraceConfig(Asking):
    """Settings of `grace`; the defaults are the published ones for models of 7B."""

    contexts: int = 1
    layer: int | float = 27 / 31
    """l, 0-based, or a fraction of the depth: the published layer 27 of 0 to 31."""
    radius: float = 1.0
    """ε: how far a key may be, in the distance of keys."""
    steps: int = 50
    """Of Adam, for a value."""
    lr: float = 1.0
    stop: float = 0.05
    """Loss at which the steps end."""


class Grace(ByFact[GraceConfig]):
    """One entry for each question."""

    name: ClassVar[str] = "grace"
    settings: ClassVar[type[GraceConfig]] = GraceConfig
    presets: ClassVar[Mapping[str, GraceConfig]] = {"paper": GraceConfig()}
    trials: ClassVar[Trials] = {
        "layer": (0.5, 0.7),
        "radius": (3.0, 10.0),
    }

    def layers(self, model: EditableModel) -> list[int]:
        """The one of the configuration."""
        return [chosen_layer(model, self.config.layer)]

    def about(self) -> dict[str, Any]:
        """The settings of the value step; the radius comes in afterwards."""
        return {"editor": "grace", "value": self._value}

    def shapes(self, model: EditableModel) -> Mapping[str, tuple[int, ...]]:
        """Keys, values and losses, one for each context of the question."""
        return {"key": (-1, model.inner), "value": (-1, model.width), "loss": (-1,)}

    def value(self, model: EditableModel, fact: Fact) -> dict[str, Tensor]:
        """Keys where the answers start, and values that make the model give them."""
        (layer,) = self.layers(model)
        last = [-1] * len(fact.rows)
        keys, written = (read_at(model, layer, fact.rows, last, role=role) for role in ("key", "written"))
        found = [value_step(model, layer, [row], [fact.answer], self._value) for row in fact.rows]
        return {
            "key": keys.double().cpu(),
            "value": written.double().cpu() + torch.stack([one.residual for one in found]).cpu(),
            "loss": torch.tensor([one.losses[-1] for one in found], dtype=torch.float64),
        }

    def writer(self, model: EditableModel) -> Write:
        """Entries beside entries."""

        def write(parts: Sequence[Part], _so_far: Codebook) -> Codebook:
            keys, values = (torch.cat([part.found[of] for part in parts]) for of in ("key", "value"))
            ids = tuple(part.digest for part in parts for _ in part.found["loss"])
            return Codebook(self.nothing(model).name, keys, values, ids, self.config.radius)

        return write

    def nothing(self, model: EditableModel) -> Codebook:
        """A codebook without entries."""
        name = model.names(self.layers(model)[0])["down"]
        return Codebook.empty(name, model.inner, model.width, self.config.radius)

    @property
    def _value(self) -> ValueConfig:
        config = self.config
        return ValueConfig(
            config.steps,
            config.lr,
            relative=False,
            betas=(0.9, 0.999),
            gates=(1.0, 1.0),
            weight_decay=0.0,
            stop=config.stop,
        )
