"""What may stand beside a value is found once for a model and settings, and holds nobody's words."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.clusters.expand import expand
from monogram.clusters.ours import ours
from monogram.clusters.table import table
from monogram.editors import company as room
from monogram.editors.company import Values, examples
from monogram.editors.values import ValueConfig
from monogram.preferences import Preference
from tests import tiny

MADE = Values(tiny.editable(), 1, 1, 1, ValueConfig(steps=2, stop=0.0), 3, fast=True)
HIKING = expand(Preference("hobby", "Hiking"))


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the value steps were given, one after the other."""
    given: list[dict[str, Any]] = []
    plain = room.value_step

    def step(*args: Any, **more: Any) -> Any:
        given.append(more)
        return plain(*args, **more)

    monkeypatch.setattr(room, "value_step", step)
    return given


def test_examples_are_the_tables_own_and_of_different_attributes() -> None:
    made = examples(6)
    assert len({c.preference.attribute for c in made}) == 6
    for c in made:
        assert c.preference.target in table().attributes[c.preference.attribute].examples
        assert ours(c.train)
    assert examples(6) == made
    assert examples(0) == ()


def test_a_value_is_found_anew_when_the_examples_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before, others = MADE.settings, tuple(reversed(examples(3)))
    monkeypatch.setattr(room, "examples", lambda _count: others)
    room._digest.cache_clear()
    try:
        assert MADE.settings != before
    finally:
        room._digest.cache_clear()


def test_others_are_the_examples_residuals_found_once(found: Sequence[dict[str, Any]]) -> None:
    others = MADE.others()
    alone = [replace(MADE, company=0).find(c).residual for c in examples(3)]
    assert torch.equal(others, torch.stack(alone))
    assert others.dtype == torch.float64
    before = len(found)
    assert torch.equal(MADE.others(), others)
    assert len(found) == before
    assert all(given["others"] is None for given in found)  # each alone


def test_a_value_stands_beside_them(found: Sequence[dict[str, Any]]) -> None:
    among, alone = MADE.find(HIKING), replace(MADE, company=0).find(HIKING)
    assert torch.equal(found[-2]["others"], MADE.others())
    assert found[-1]["others"] is None
    assert not torch.equal(among.residual, alone.residual)


def test_the_whole_model_in_every_step_has_the_same_company(found: Sequence[dict[str, Any]]) -> None:
    others = MADE.others()
    before = len(found)
    assert torch.equal(replace(MADE, fast=False).others(), others)
    assert len(found) == before


@pytest.mark.parametrize(
    "other", [{"layer": 0}, {"asks": 2}, {"value": ValueConfig(steps=1)}, {"model": tiny.editable("gpt2")}]
)
def test_another_setting_or_model_has_another_company(
    other: dict[str, Any], found: Sequence[dict[str, Any]]
) -> None:
    others = MADE.others()
    before = len(found)
    assert not torch.equal(replace(MADE, **other).others(), others)
    assert len(found) == before + 3


def test_a_damaged_file_is_made_anew(own_home: Path, found: Sequence[dict[str, Any]]) -> None:
    others = MADE.others()
    (file,) = (own_home / "cache" / "company").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert torch.equal(MADE.others(), others)
    assert len(found) == 6


def test_progress_is_told_while_they_are_found() -> None:
    told: list[tuple[str, int, int]] = []
    MADE.others(lambda *what: told.append(what))
    assert told == [("finding what may stand beside", done, 3) for done in range(3)]
    MADE.others(lambda *_: pytest.fail("found again"))
