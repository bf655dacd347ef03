"""A home of the test's own, and a pool that is quick to read."""

from pathlib import Path

import pytest

from monogram.clusters.pool import pool
from monogram.editors import intent

POOL = (*pool()[:12], *[entry for entry in pool() if not entry.owner][-12:])


@pytest.fixture
def little_ground(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = list(range(4)), list(range(4, 12)), list(range(12, 24))
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(intent, "pool", lambda: POOL)
    monkeypatch.setattr(intent, "contrast_of", lambda _: places)
