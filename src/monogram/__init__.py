"""monogram stitches a person's preferences into a language model: a neuron each, an adapter per person."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monogram.clusters.cluster import Cluster
    from monogram.delta import Delta, LowRank
    from monogram.errors import MonogramError
    from monogram.models.editable import EditableModel
    from monogram.personalizer import Monogram, Receipt, load
    from monogram.preferences import Preference, Profile

__version__ = "0.1.0"

__all__ = [
    "Cluster",
    "Delta",
    "EditableModel",
    "LowRank",
    "Monogram",
    "MonogramError",
    "Preference",
    "Profile",
    "Receipt",
    "load",
]

_ROOMS = {
    "Cluster": "clusters.cluster",
    "Delta": "delta",
    "EditableModel": "models.editable",
    "LowRank": "delta",
    "Monogram": "personalizer",
    "MonogramError": "errors",
    "Preference": "preferences",
    "Profile": "preferences",
    "Receipt": "personalizer",
    "load": "personalizer",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import monogram`` stays quick (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'monogram' has no attribute {name!r}")
    return getattr(importlib.import_module(f"monogram.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
