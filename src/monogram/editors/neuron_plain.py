"""`neuron-plain`: the flagship with the whole model in every gradient step: the oracle and the yardstick."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from monogram.editors.neuron import Neuron, NeuronConfig


class NeuronPlain(Neuron):
    """The same edit, the slow way. Settings as `neuron`."""

    name: ClassVar[str] = "neuron-plain"

    def __init__(self, config: NeuronConfig | None = None, **settings: object) -> None:
        super().__init__(config, **settings)
        self.config = replace(self.config, fast=False)
