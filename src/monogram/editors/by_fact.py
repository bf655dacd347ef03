"""The loop that editors share which write fact by fact: ROME, EMMET, MEMIT, AlphaEdit, GRACE.

What an editor of its own has to say is how a fact's value is found, and the equation by which values are
written. Values are found on the base model, each as if alone, and kept; or, `sequential`, each on the model
as edited so far: that hangs on the order, so nothing is kept, and the whole set is run again after a change.
Preferences come in the order of their digests.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.editors.base import Edit, Progress
from monogram.editors.facts import Asking, Fact, facts_of
from monogram.editors.kept import Keep, Tensors, address, kept
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.patch import Attachable

Config = TypeVar("Config", bound=Asking)


@dataclass(frozen=True)
class Part:
    """A fact with what was found for it. `digest` is its preference's."""

    digest: str
    fact: Fact
    found: Tensors


Write = Callable[[Sequence[Part], Any], Any]
"""Facts, and what is on the model already -> what comes to it (a delta, or a patch that adds up)."""


class ByFact(ABC, Generic[Config]):
    """An editor that writes facts. Settings are the fields of its configuration, by keyword."""

    name: ClassVar[str]
    settings: ClassVar[type[Any]]
    """The class of its configuration."""

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        self.config: Config = replace(config or self.settings(), **settings)

    def facts(self, em: EditableModel, cluster: Cluster) -> list[Fact]:
        """The questions a preference is edited by. Raises as `facts_of`."""
        return facts_of(em, cluster, self.config)

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """See `base.Editor`. The details' `found` counts the values that were found now, and `rerun` says
        whether a change of the set finds all of them again.

        Raises:
            InputError: a cluster without phrasings.
            LayerError: a layer is not there.
        """
        start, sequential = time.perf_counter(), self.config.sequential
        layers = self.layers(model)
        write = self.writer(model)
        ordered = sorted(clusters, key=lambda cluster: cluster.preference.digest)
        todo = [(cluster, fact) for cluster in ordered for fact in self.facts(model, cluster)]
        change, parts, found = self.nothing(model), list[Part](), 0
        for done, (cluster, fact) in enumerate(todo):
            if progress is not None:
                progress(f"editing '{fact.subject}'", done, len(todo))
            with attach(model, change if sequential else None):
                part, anew = kept(
                    None if sequential else keep,
                    cluster,
                    address(model, layers[-1], cluster, {**self.about(), "fact": asdict(fact)}),
                    self.shapes(model),
                    partial(self.value, model, fact),
                )
            parts.append(Part(cluster.preference.digest, fact, part))
            found += anew
            if sequential:
                change += write(parts[-1:], change)
        if parts and not sequential:
            change += write(parts, change)
        told = {"subjects": [fact.subject for _, fact in todo], "found": found, "rerun": sequential}
        losses = [float(part.found["loss"].mean()) for part in parts]
        seconds = time.perf_counter() - start
        return Edit(
            change, {"layer": layers[-1], "layers": layers, **told, "loss": losses, "seconds": seconds}
        )

    @abstractmethod
    def layers(self, model: EditableModel) -> list[int]:
        """The layers that are edited, lowest first; the value is found at the last. Raises LayerError."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What a fact's value hangs on, beyond model, layer and fact: the address says it."""

    @abstractmethod
    def shapes(self, model: EditableModel) -> Mapping[str, tuple[int, ...]]:
        """Of what `value` finds; `loss` is among it."""

    @abstractmethod
    def value(self, model: EditableModel, fact: Fact) -> dict[str, Tensor]:
        """What a fact needs, on the model as it is now; all float64."""

    @abstractmethod
    def writer(self, model: EditableModel) -> Write:
        """What writes facts into the model; made once for an edit."""

    @abstractmethod
    def nothing(self, model: EditableModel) -> Attachable | Any:
        """The change that changes nothing."""
