"""monogram stitches a person's preferences into a language model: a neuron each, an adapter per person."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monogram.clusters.cluster import Cluster
    from monogram.delta import Delta, LowRank
    from monogram.errors import MonogramError
    from monogram.models.editable import EditableModel
    from monogram.people import Personalizer, load
    from monogram.person import Person
    from monogram.personalizer import Monogram
    from monogram.preferences import Preference, Profile
    from monogram.receipt import Receipt

__version__ = "0.1.0"

__all__ = [
    "Cluster",
    "Delta",
    "EditableModel",
    "LowRank",
    "Monogram",
    "MonogramError",
    "Person",
    "Personalizer",
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
    "Person": "person",
    "Personalizer": "people",
    "Preference": "preferences",
    "Profile": "preferences",
    "Receipt": "receipt",
    "load": "people",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import monogram`` stays quick (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'monogram' has no attribute {name!r}")
    return getattr(importlib.import_module(f"monogram.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
