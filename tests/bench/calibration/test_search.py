"""A search finds settings and keeps them; killed, it goes on to the same choice."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.calibration import search
from monogram.bench.calibration.candidates import Candidate
from monogram.bench.calibration.search import calibrate
from monogram.bench.intervals import rate
from monogram.bench.session import MADE
from monogram.editors.chosen import chosen, editor_for
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.fakes import SETTINGS, Killed


def searched(em: EditableModel, out: Path, **more: Any) -> dict[str, Any]:
    return calibrate(em, "neuron", out, gates=2, answers=1, settings=SETTINGS, **more)


def stays(record: dict[str, Any]) -> dict[str, Any]:
    """Without where it went, and without times."""
    told: dict[str, Any] = json.loads(
        json.dumps({k: v for k, v in record.items() if k not in ("kept", "page")})
    )
    for one in told["candidates"]:
        one["measured"] = {k: v for k, v in (one["measured"] or {}).items() if "seconds" not in k}
    return told


def kill(what: str, done: int, total: int) -> None:
    if what == MADE and done > total // 2:
        raise Killed


@pytest.mark.slow  # two searches with answers, and half of one
@pytest.mark.usefixtures("little_ground")
def test_killed_it_goes_on_to_the_same_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable(max_position_embeddings=1024)
    with pytest.raises(Killed):
        searched(em, tmp_path / "killed", progress=kill)
    assert chosen(em.digest, "neuron") == {}  # half a search decides nothing
    written = (tmp_path / "killed" / "raw.jsonl").read_text().splitlines()
    whole = searched(em, tmp_path / "whole")
    monkeypatch.setattr(search, "scan", lambda *_: pytest.fail("the first stage was finished"))
    resumed = searched(em, tmp_path / "killed")
    assert stays(resumed) == stays(whole)
    assert (tmp_path / "killed" / "raw.jsonl").read_text().splitlines()[: len(written)] == written


@pytest.mark.usefixtures("little_ground")
def test_what_is_found_is_kept_used_and_shown(tmp_path: Path) -> None:
    em = tiny.editable("gemma3_text", max_position_embeddings=1024)
    found = searched(em, tmp_path)
    measured = {
        (one["layer"], one["threshold"]): one["measured"]["score"]["value"]
        for one in found["candidates"]
        if one["measured"]
    }
    assert len(measured) == 3
    assert tuple(found["defaults"].values()) in measured
    assert measured[tuple(found["settings"].values())] == max(measured.values())
    kept = json.loads(Path(found["kept"]).read_text(encoding="utf-8"))
    assert kept == {name: value for name, value in found.items() if name not in ("kept", "page")}
    config = editor_for(em, "neuron").config
    assert {"layer": config.layer, "threshold": config.threshold} == found["settings"]
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert page.index('id="calibration"') < page.index('id="headline"')
    assert 'id="calibration-leak-title"' in page


def test_among_equals_the_defaults_are_chosen_and_what_failed_never_is(tmp_path: Path) -> None:
    usual, other = Candidate(2, 0.0), Candidate(1, 0.0)

    def told(hits: int) -> dict[str, Any]:
        return {"score": rate(hits, 10).as_dict()}

    assert search._best({other: told(5), usual: told(5)}, usual, tmp_path) == usual
    assert search._best({other: told(6), usual: told(5)}, usual, tmp_path) == other
    assert search._best({other: told(1), usual: {}}, usual, tmp_path) == other
    with pytest.raises(InputError, match=r"summary\.md"):
        search._best({usual: {}}, usual, tmp_path)


def test_the_defaults_are_always_measured() -> None:
    usual = Candidate(2, 0.0)
    heard = {Candidate(layer, 0.0): {"score": rate(9 - layer, 10)} for layer in (0, 1, 3, 4)}
    heard |= {usual: {"score": rate(0, 10)}}
    assert search._finalists(heard, usual) == [Candidate(0, 0.0), Candidate(1, 0.0), usual]
    heard[usual] = {"score": rate(10, 10)}
    assert search._finalists(heard, usual) == [usual, Candidate(0, 0.0), Candidate(1, 0.0)]


def test_an_editor_that_cannot_be_calibrated_says_so_with_those_that_can() -> None:
    with pytest.raises(InputError, match=r"'rome' cannot be calibrated.*: neuron, neuron-plain\.$"):
        search.detecting("rome")
    with pytest.raises(UnknownNameError, match=r"(?i)did you mean"):
        search.detecting("neurom")
