"""What an editor is: clusters in, edit out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.delta import Delta
from monogram.editors.kept import Keep, Tensors
from monogram.errors import LayerError
from monogram.models.editable import EditableModel
from monogram.patch import Attachable, Patch

if TYPE_CHECKING:
    from monogram.editors.intent import Ground

Progress = Callable[[str, int, int], None]
"""Called with (what is done, how many are ready, how many there are)."""
Trials = Mapping[str, tuple[Any, ...]]
"""Setting -> other values that a model nobody has measured may want, in the order they are worth trying; a
dot leads into a part (`value.clamp`). `monogram calibrate` tries them, see docs/methods.md §11."""


@dataclass(frozen=True)
class Edit:
    """What an editor returns.

    Attributes:
        change: what is put on the model (`models.attach`): a delta, or a patch.
        details: what is worth knowing beside it (layer, losses, seconds), by name.
    """

    change: Attachable
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def delta(self) -> Delta:
        """The change of weights, for what takes nothing else: a person's store, an adapter, a merged model.

        Raises:
            InputError: the change is none, nor near one.
        """
        return self.change.as_delta() if isinstance(self.change, Patch) else self.change


@runtime_checkable
class Editor(Protocol):
    """A way to make a model know preferences. Its constructor only stores its configuration: a `config` by
    position, and its fields by keyword, which count first.

    It may have `presets`, a mapping from names to configurations: `paper` are the published settings; and
    `trials`, see `Trials`.

    Attributes:
        name: as it is asked for.
        config: a frozen dataclass; together with model and preferences it decides the delta to the bit.
    """

    name: ClassVar[str]
    config: Any

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """The edit that makes `model` know the clusters' preferences. The model itself is left as it is.

        Args:
            keep: where what is costly is looked for and kept, cluster by cluster (`kept.py`); the delta is
                the same to the bit with and without. An editor that keeps nothing need not have it: call
                `edit_with`, which gives it to those that do.

        Raises:
            LayerError: the configured layer is not there.
        """
        ...


@runtime_checkable
class Reads(Protocol):
    """An editor whose change at the answer's start can be read without an answer: what is switched by a
    detector for each cluster.
    """

    def readings(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        groups: Sequence[Sequence[Phrasing]],
        keep: Keep,
    ) -> list[Tensor] | None:
        """How far each cluster's part fires where the answers to phrasings start: 1 is full, 0 not at all.

        Returns:
            For each group (n phrasings, P clusters); None where something of a cluster is not kept. Nothing
            costly is found for it.
        """
        ...


@runtime_checkable
class Detects(Protocol):
    """An editor of which it can be told where it would fire before anything else of an edit is found, so that
    settings can be looked for cheaply (`bench.calibration`). Its `config` has `layer` and `threshold`.
    """

    config: Any

    def detectors(self, ground: Ground, cluster: Cluster) -> Tensors:
        """What decides where a cluster's part fires, whatever the threshold."""
        ...

    def fires(self, model: EditableModel, found: Tensors, x: Tensor) -> Tensor:
        """How far the part of a cluster with these `detectors` fires at x (n, width): (n,), as `readings`."""
        ...


def edit_with(
    editor: Editor,
    model: EditableModel,
    clusters: Sequence[Cluster],
    *,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> Edit:
    """`editor.edit`, with `keep` for an editor that knows it. Raises as that."""
    known = inspect.signature(editor.edit).parameters
    if "keep" not in known:
        return editor.edit(model, clusters, progress=progress)
    return editor.edit(model, clusters, progress=progress, keep=keep)


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
