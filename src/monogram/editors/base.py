"""What an editor is: clusters in, edit out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta
from monogram.errors import LayerError
from monogram.models.editable import EditableModel

Progress = Callable[[str, int, int], None]
"""Called with (what is done, how many are ready, how many there are)."""


@dataclass(frozen=True)
class Edit:
    """What an editor returns.

    Attributes:
        delta: the change of weights.
        details: what is worth knowing beside it (layer, losses, seconds), by name.
    """

    delta: Delta
    details: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Editor(Protocol):
    """A way to make a model know preferences. Its constructor only stores its configuration.

    Attributes:
        name: as it is asked for.
        config: a frozen dataclass; together with model and preferences it decides the delta to the bit.
    """

    name: ClassVar[str]
    config: Any

    def edit(
        self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Progress | None = None
    ) -> Edit:
        """The edit that makes `model` know the clusters' preferences. The model itself is left as it is.

        Raises:
            LayerError: the configured layer is not there.
        """
        ...


def chosen_layer(model: EditableModel, wanted: int | float) -> int:
    """A layer's index: an int is one already, a float is a fraction of the depth, 0 to 1.

    Raises:
        LayerError: there is no such layer.
    """
    last = model.num_layers - 1
    layer = round(wanted * last) if isinstance(wanted, float) else wanted
    if not 0 <= layer <= last or (isinstance(wanted, float) and not 0 <= wanted <= 1):
        raise LayerError(
            f"Layer {wanted} was asked for; model '{model.name}' has layers 0 to {last} "
            "(or a fraction of its depth, 0.0 to 1.0)."
        )
    return layer
