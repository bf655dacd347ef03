"""A search finds settings and keeps them; killed, it goes on to the same choice."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.calibration import search
from monogram.bench.calibration.candidates import Candidate
from monogram.bench.calibration.search import calibrate
from monogram.bench.intervals import rate
from monogram.bench.raw import RawLog
from monogram.bench.session import MADE
from monogram.editors.chosen import chosen, editor_for
from monogram.editors.memit import Memit
from monogram.editors.neuron import Neuron
from monogram.editors.registry import editor, editor_names
from monogram.editors.rome import Rome
from monogram.editors.settings import value_of
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.fakes import SETTINGS, Killed


def searched(em: EditableModel, out: Path, **more: Any) -> dict[str, Any]:
    return calibrate(em, "neuron", out, gates=2, answers=1, settings=SETTINGS, **more)


def stays(record: dict[str, Any]) -> dict[str, Any]:
    """Without where it went, and without times and memory."""
    told: dict[str, Any] = json.loads(
        json.dumps({k: v for k, v in record.items() if k not in ("kept", "page")})
    )
    for one in told["candidates"]:
        noise = ("seconds_per_preference", "extra_memory")
        one["measured"] = {k: v for k, v in (one["measured"] or {}).items() if k not in noise}
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
        json.dumps(one["settings"]): one["measured"]["score"]["value"]
        for one in found["candidates"]
        if one["measured"]
    }
    assert len(measured) == 3 + sum(map(len, Neuron.trials.values()))
    assert json.dumps(found["defaults"]) in measured
    assert measured[json.dumps(found["settings"])] >= measured[json.dumps(found["defaults"])]
    kept = json.loads(Path(found["kept"]).read_text(encoding="utf-8"))
    assert kept == {name: value for name, value in found.items() if name not in ("kept", "page")}
    config = editor_for(em, "neuron").config
    assert {name: value_of(config, name) for name in found["settings"]} == found["settings"]
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert page.index('id="calibration"') < page.index('id="headline"')
    assert 'id="calibration-leak-title"' in page


def test_what_is_held_stays_unless_it_is_led_and_what_failed_never_is_chosen(tmp_path: Path) -> None:
    usual, other = Candidate.at(2, 0.0), Candidate.at(1, 0.0)

    def told(hits: int) -> dict[str, Any]:
        return {"score": rate(hits, 10).as_dict()}

    def best(measured: dict[Candidate, Any], *, sure: bool = True) -> Candidate:
        return search._best(measured, usual, tmp_path, lambda *_: sure)

    assert best({other: told(5), usual: told(5)}) == usual
    assert best({other: told(6), usual: told(5)}, sure=False) == usual
    assert best({other: told(6), usual: told(5)}) == other
    assert best({other: told(1), usual: {}}, sure=False) == other
    with pytest.raises(InputError, match=r"summary\.md"):
        best({usual: {}})


@pytest.mark.parametrize(("lost", "sure"), [(0, True), (1, True), (2, False)])
def test_a_lead_that_a_few_items_more_would_undo_is_none(tmp_path: Path, lost: int, sure: bool) -> None:
    one, other = Candidate.at(1, 0.0), Candidate.at(2, 0.0)
    with RawLog(tmp_path / "raw.jsonl") as log:
        for item in range(10):
            for candidate, good in ((one, item >= lost), (other, 2 <= item < 5 or item < lost)):
                told = {"method": candidate.called("neuron"), "seed": 0, "task": "upqa", "kind": "direct"}
                log.append({**told, "item": str(item), "scores": {"direct": good}})
    assert search._leads("neuron", tmp_path, one, other) == sure
    assert not search._leads("neuron", tmp_path, other, one)


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [(0.02, 0.09, True), (0.02, 0.11, False), (0.3, 0.29, True), (0.3, 0.31, False)],
)
def test_more_recall_is_not_paid_for_with_drift(
    before: float, after: float, taken: bool, tmp_path: Path
) -> None:
    usual, other = Candidate.at(2, 0.0), Candidate.at(1, 0.0)

    def told(hits: int, drift: float) -> dict[str, Any]:
        return {"score": rate(hits, 10).as_dict(), "drift": {"value": drift}}

    measured = {other: told(9, after), usual: told(5, before)}
    assert search._best(measured, usual, tmp_path, lambda *_: True) == (other if taken else usual)


def test_the_defaults_are_always_measured() -> None:
    usual = Candidate.at(2, 0.0)
    heard = {Candidate.at(layer, 0.0): {"score": rate(9 - layer, 10)} for layer in (0, 1, 3, 4)}
    heard |= {usual: {"score": rate(0, 10)}}
    assert search._finalists(heard, usual) == [Candidate.at(0, 0.0), Candidate.at(1, 0.0), usual]
    heard[usual] = {"score": rate(10, 10)}
    assert search._finalists(heard, usual) == [usual, Candidate.at(0, 0.0), Candidate.at(1, 0.0)]


def test_every_editor_of_ours_can_be_calibrated_and_another_says_why_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in editor_names():
        made = search.tried(name)
        for setting, values in getattr(made, "trials", {}).items():
            now = value_of(made.config, setting)
            assert now not in values, f"{name} {setting}"
            assert all(value_of(editor(name, **{setting: v}).config, setting) == v for v in values)
    monkeypatch.setattr(Rome, "trials", {})
    with pytest.raises(InputError, match=r"'rome' cannot be calibrated.*: adalora, .*neuron-plain"):
        search.tried("rome")
    with pytest.raises(UnknownNameError, match=r"(?i)did you mean"):
        search.tried("neurom")


def test_settings_are_tried_one_after_the_other_from_the_best_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worth = {"layer": 0.5, "steps": 3}
    rounds: list[list[dict[str, Any]]] = []

    def measured(em: Any, asked: Any, make: Any, out: Path, progress: Any) -> dict[str, Any]:
        made = make(em, ["?"], 0)
        rounds.append([{n: value_of(one.editor.config, n) for n in worth} for one in made])
        wins = {
            m.name: sum(told[n] == worth[n] for n in worth) for m, told in zip(made, rounds[-1], strict=True)
        }
        return {name: {"score": rate(5 + hits, 10).as_dict()} for name, hits in wins.items()}

    monkeypatch.setattr(search, "run", measured)
    monkeypatch.setattr(search, "_leads", lambda *_: True)
    monkeypatch.setattr(search.page, "write", lambda record, out: [out / "report.html"])
    monkeypatch.setattr(Rome, "trials", {"layer": (0.3, 0.5), "clamp": (1.0,), "steps": (3, 4)})
    em = tiny.editable()
    found = calibrate(em, "rome", tmp_path, answers=1, settings=SETTINGS)
    assert found["settings"] == {"layer": 0.5, "steps": 3}
    assert [len(one) for one in rounds] == [1, 3, 4, 6]  # what was measured stays in the run
    assert [told["layer"] for told in rounds[-1]][-3:] == [0.5] * 3
    assert all(one["gates"] is None for one in found["candidates"])
    config = editor_for(em, "rome").config
    assert (config.layer, config.steps, config.clamp) == (0.5, 3, Rome().config.clamp)


@pytest.mark.usefixtures("little_ground")
def test_an_editor_without_gates_is_calibrated_by_answers_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Memit, "trials", {"layers": ((0.5, 1.0),)})
    em = tiny.editable(max_position_embeddings=1024)
    found = calibrate(em, "memit", tmp_path, answers=1, settings=SETTINGS)
    assert [one["settings"] for one in found["candidates"]] == [{}, {"layers": (0.5, 1.0)}]
    assert all(one["measured"]["score"] for one in found["candidates"])
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "layers 0.5+1" in page
    assert "calibration-leak-title" not in page
    assert editor_for(em, "memit").config.layers == (found["settings"].get("layers") or Memit().config.layers)
