"""A little ground that editors stand on, made up: moments of any layer, and a pool of a few phrasings."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monogram.clusters.cluster import typed
from monogram.clusters.pool import pool
from monogram.editors import cluster, intent
from monogram.models.editable import EditableModel

# what stands in the pool a second time, typed in a hurry, is left out
TWINS = {typed(e.phrasing.text) for e in pool() if e.phrasing.text != typed(e.phrasing.text)}
PLAIN = [entry for entry in pool() if entry.phrasing.text not in TWINS]
POOL = (*PLAIN[:12], *[entry for entry in PLAIN if not entry.owner][-12:])


def around(em: EditableModel, layer: int, **_: Any) -> Any:
    """Moments that hang on the layer alone."""
    rng = torch.Generator().manual_seed(layer)
    keys = torch.randn(3 * em.inner, em.inner, generator=rng, dtype=torch.float64)
    inputs, starts = (torch.randn(n, em.width, generator=rng) for n in (64, 8))
    activity = keys.abs().mean(0)
    return SimpleNamespace(
        layer=layer, second=keys.T @ keys / len(keys), activity=activity, inputs=inputs, starts=starts
    )


def hollow(em: EditableModel, layer: int, **more: Any) -> Any:
    """The same, but that a third of C's directions are empty: for those who write only there."""
    found = around(em, layer, **more)
    some = torch.linalg.eigh(found.second)[1][:, em.inner // 3 :]
    found.second = some @ some.T
    return found


def put(monkeypatch: pytest.MonkeyPatch, home: Path, moments: Any = around) -> None:
    """Make it the ground of every editor that is loaded."""
    monkeypatch.setenv("MONOGRAM_HOME", str(home))
    for module in (intent, cluster):
        monkeypatch.setattr(module, "pool", lambda: POOL)
        monkeypatch.setattr(
            module, "contrast_of", lambda _: (list(range(4)), list(range(4, 12)), list(range(12, 24)))
        )
    for name, loaded in list(sys.modules.items()):
        if name.startswith("monogram.editors.") and hasattr(loaded, "moments"):
            monkeypatch.setattr(loaded, "moments", moments)
