"""What ROME and its kin share: a value at the last token of the subject, found by ROME's own step; or, where
that is asked for, at the last token of the prompt, where the answer starts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta
from monogram.editors.by_fact import ByFact
from monogram.editors.essence import EssenceConfig, found_value
from monogram.editors.facts import Asking, Fact
from monogram.models.editable import EditableModel


@dataclass(frozen=True)
class SubjectConfig(EssenceConfig, Asking):
    """Which questions, where in them values are written, and how these are found."""

    position: Literal["subject", "answer"] = "subject"
    """Where it is looked up: at the subject's last token, as published, or where the answer starts."""


Config = TypeVar("Config", bound=SubjectConfig)


class AtSubject(ByFact[Config]):
    """An editor that writes values at subjects, as a delta."""

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        super().__init__(config, **settings)
        self._grounds: dict[tuple[str, int], Any] = {}  # by model digest and layer

    def facts(self, em: EditableModel, cluster: Cluster) -> list[Fact]:
        """See `ByFact.facts`."""
        found = super().facts(em, cluster)
        return found if self.config.position == "subject" else [fact.at_answer() for fact in found]

    def ground(self, model: EditableModel, layer: int) -> Any:
        """What the equation takes from the model alone, made once and kept."""
        place = (model.digest, layer)
        if place not in self._grounds:
            self._grounds[place] = self.grounded(model, layer)
        return self._grounds[place]

    @abstractmethod
    def grounded(self, model: EditableModel, layer: int) -> Any:
        """`ground`, made now."""

    def about(self) -> dict[str, Any]:
        """The settings of the value step."""
        return {"editor": self.name} | {f.name: getattr(self.config, f.name) for f in fields(EssenceConfig)}

    def shapes(self, model: EditableModel) -> Mapping[str, tuple[int, ...]]:
        """Key, residual, and the last loss."""
        return {"key": (model.inner,), "residual": (model.width,), "loss": (1,)}

    def value(self, model: EditableModel, fact: Fact) -> dict[str, Tensor]:
        """See `essence.found_value`."""
        layer = self.layers(model)[-1]
        return found_value(model, layer, fact, self.config, self.reach(model, layer, fact))

    def reach(self, model: EditableModel, layer: int, fact: Fact) -> float | None:
        """The length that residuals are measured in; None: that of Wk."""
        del model, layer, fact
        return None

    def nothing(self, model: EditableModel) -> Delta:
        """No change of weights."""
        del model
        return Delta.zero()
