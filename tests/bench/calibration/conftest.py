"""A home of the test's own, and a pool that is quick to read; moments are the real ones."""

from pathlib import Path

import pytest

from monogram.models.moments import moments
from tests.editors import ground


@pytest.fixture
def little_ground(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ground.put(monkeypatch, tmp_path / "home", moments)
