"""What an editor found for one cluster, kept under an address, so that it is found once.

What is costly (value steps, detectors) hangs on the model, the editor's settings and the cluster alone, so a
person's change needs it for new clusters only. The address names all it hangs on; numbers are kept as float64
and come back as they were, so a delta is the same to the bit whether something was found or kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.models.build import build
from monogram.models.editable import EditableModel
from monogram.tensors import own

FORMAT = 11
"""Goes up, by hand, when the same address would give other numbers. A hash of the code would throw away
everybody's artefacts at each upgrade; `tests/editors/test_kept.py` reminds of it with golden numbers."""

Tensors = Mapping[str, Tensor]


class Keep(Protocol):
    """Where artefacts are kept, by cluster and name: `store.artefacts.Shelf`, or `Memory`."""

    def read(self, cluster: str, name: str) -> Tensors | None:
        """The tensors, or None where they are not there, whole and unchanged."""
        ...

    def write(self, cluster: str, name: str, tensors: Tensors) -> None:
        """Keep tensors, if that can be done."""
        ...


class Memory:
    """Keeps for as long as it lives, before another keeper where there is one: gentler tries of one change
    share what they find.
    """

    def __init__(self, behind: Keep | None = None) -> None:
        self.behind = behind
        self._found: dict[tuple[str, str], Tensors] = {}

    def once(self, name: str, make: Callable[[], Tensors]) -> Tensors:
        """What is made once in this life, and kept nowhere else."""
        if ("", name) not in self._found:
            self._found["", name] = make()
        return self._found["", name]

    def take(self, other: Memory) -> None:
        """Keep what another has, in the place of one's own."""
        self._found |= other._found

    def read(self, cluster: str, name: str) -> Tensors | None:
        """See `Keep`."""
        if (cluster, name) not in self._found and self.behind is not None:
            found = self.behind.read(cluster, name)
            if found is not None:
                self._found[cluster, name] = found
        return self._found.get((cluster, name))

    def write(self, cluster: str, name: str, tensors: Tensors) -> None:
        """See `Keep`."""
        self._found[cluster, name] = tensors
        if self.behind is not None:
            self.behind.write(cluster, name, tensors)


def kept(
    keep: Keep | None,
    cluster: Cluster,
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    make: Callable[[], Tensors],
) -> tuple[Tensors, bool]:
    """What is kept under a name, or else made now and kept.

    Args:
        keep: where; None keeps nothing.
        name: the `address`.
        shapes: of the tensors, all float64; -1 is any length.
        make: finds them.

    Returns:
        The tensors, and whether they were made now.
    """
    found = known(keep, cluster, name, shapes)
    if found is not None:
        return found, False
    made = {part: own(tensor) for part, tensor in make().items()}
    if keep is not None:
        keep.write(cluster.preference.digest, name, made)
    return made, True


def once(keep: Keep | None, name: str, make: Callable[[], Tensors]) -> Tensors:
    """What hangs on a whole set of clusters: made once while a `Memory` lives, else now."""
    return keep.once(name, make) if isinstance(keep, Memory) else make()


def known(
    keep: Keep | None, cluster: Cluster, name: str, shapes: Mapping[str, tuple[int, ...]]
) -> Tensors | None:
    """What is kept under a name; None where nothing is, or nothing of these shapes."""
    found = keep.read(cluster.preference.digest, name) if keep is not None else None
    if found is None or set(found) != set(shapes):
        return None
    return found if all(_fits(found[part], shape) for part, shape in shapes.items()) else None


def address(model: EditableModel, layer: int, cluster: Cluster, settings: Mapping[str, Any]) -> str:
    """The name of what is found for a cluster: a digest (32 hex digits) of all it hangs on.

    Args:
        layer: of the edit, 0-based.
        settings: the editor's name and all else that decides what is found: settings, other texts, digests
            of what was read.
    """
    preference = cluster.preference
    about = {
        "format": FORMAT,
        "build": build(model),
        "model": model.digest,
        "template": _template(model, cluster),
        "layer": layer,
        "settings": {name: asdict(v) if is_dataclass(v) else v for name, v in settings.items()},  # type: ignore[arg-type]
        "preference": [preference.attribute, preference.target, preference.polarity],
        "train": [asdict(phrasing) for phrasing in cluster.train],
        "contrast": [asdict(phrasing) for phrasing in cluster.contrast],
        "opening": cluster.say,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def numbers(*tensors: Tensor) -> str:
    """Digest of tensors' types, shapes and numbers."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _template(model: EditableModel, cluster: Cluster) -> list[int]:
    """How conversations become tokens, which a model's digest does not say."""
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": cluster.say}]
    return model.chat_ids([{"role": "system", "content": "b"}, *said, {"role": "user", "content": "c"}])


def _fits(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    same = len(shape) == tensor.dim() and all(
        want in (-1, have) for want, have in zip(shape, tensor.shape, strict=True)
    )
    return same and tensor.dtype == torch.float64
