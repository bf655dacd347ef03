"""What was found for a model is what its editors are made with; what is asked for by name counts first."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.methods import Edited, methods
from monogram.editors import chosen as room
from monogram.editors.chosen import chosen, editor_for, keep
from monogram.editors.neuron import NeuronConfig
from monogram.editors.registry import editor
from monogram.editors.values import ValueConfig
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from monogram.personalizer import compile_monogram
from monogram.preferences import Preference
from tests import tiny
from tests.editors import ground

FOUND = {"layer": 2, "threshold": 0.15}
QUICK: dict[str, Any] = {"check": False, "asks": 1, "advice": 1, "value": ValueConfig(steps=1, stop=0.0)}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable()


def test_without_a_choice_the_defaults_are_used(em: EditableModel) -> None:
    assert editor_for(em, "neuron").config == editor("neuron").config == NeuronConfig()


def test_a_choice_is_that_models_default(em: EditableModel) -> None:
    keep(em.digest, "neuron", {"settings": FOUND, "candidates": []})
    assert editor_for(em, "neuron").config == NeuronConfig(layer=2, threshold=0.15)
    assert editor_for(tiny.editable(seed=1), "neuron").config == NeuronConfig()
    [method] = methods(["neuron"], em, [])
    assert isinstance(method, Edited)
    assert method.settings["config"] == NeuronConfig(layer=2, threshold=0.15)


def test_what_is_asked_for_by_name_counts_first(em: EditableModel) -> None:
    keep(em.digest, "neuron", {"settings": FOUND})
    assert editor_for(em, "neuron", layer=1).config == NeuronConfig(layer=1, threshold=0.15)
    [method] = methods(["neuron"], em, [], {"neuron": {"layer": 1}})
    assert method.settings["config"] == NeuronConfig(layer=1, threshold=0.15)


def test_a_preset_is_taken_as_it_is(em: EditableModel) -> None:
    keep(em.digest, "rome", {"settings": {"layer": 1}})
    assert editor_for(em, "rome").config == editor("rome", layer=1).config
    assert editor_for(em, "rome", preset="paper").config == editor("rome", preset="paper").config


def test_the_yardstick_stays_the_same_edit_as_the_flagship(em: EditableModel) -> None:
    keep(em.digest, "neuron", {"settings": FOUND})
    assert editor_for(em, "neuron-plain").config == NeuronConfig(layer=2, threshold=0.15, fast=False)
    keep(em.digest, "neuron-plain", {"settings": {"layer": 0}})
    assert editor_for(em, "neuron-plain").config == NeuronConfig(layer=0, fast=False)
    assert editor_for(em, "cluster").config == editor("cluster").config


@pytest.mark.parametrize("kind", ["llama", "gemma3_text"])
def test_a_persons_delta_is_made_with_it_and_says_so(
    kind: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.put(monkeypatch, home)
    em, hiking = tiny.editable(kind), [Preference("hobby", "Hiking")]
    usual = compile_monogram(em, hiking, **QUICK)
    keep(em.digest, "neuron", {"settings": {"layer": 1, "threshold": 0.15}})
    made = compile_monogram(em, hiking, **QUICK)
    assert {name.split(".")[2] for name in made.delta.factors} == {"1"}
    assert "layer=1," in made.settings
    assert "threshold=0.15" in made.settings
    asked = compile_monogram(em, hiking, **QUICK, layer=0.83, threshold=-0.1)
    assert (asked.digest, asked.settings) == (usual.digest, usual.settings)
    assert len({usual.digest, made.digest}) == len({usual.settings_digest, made.settings_digest}) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"settings": 3}', '{"other": {}}', "\x00"])
def test_a_damaged_choice_is_said_with_what_to_do(em: EditableModel, text: str) -> None:
    room.place(em.digest, "neuron").parent.mkdir(parents=True)
    room.place(em.digest, "neuron").write_text(text)
    with pytest.raises(InputError, match="monogram calibrate"):
        editor_for(em, "neuron")


def test_an_unknown_editor_is_answered_with_the_nearest(em: EditableModel) -> None:
    with pytest.raises(UnknownNameError, match=r"(?i)did you mean"):
        editor_for(em, "neurom")


def test_what_is_kept_is_whole_and_replaces_what_was(em: EditableModel, home: Path) -> None:
    keep(em.digest, "neuron", {"settings": {"layer": 0}, "figures": "é"})
    path = keep(em.digest, "neuron", {"settings": FOUND, "figures": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"settings": FOUND, "figures": "é"}
    assert [p for p in home.rglob("*") if p.is_file()] == [path]
    assert chosen(em.digest, "neuron") == FOUND


@pytest.mark.model
def test_the_embedded_model_ships_with_todays_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # where the model is
    digest = EditableModel.load("smollm2").digest
    monkeypatch.setenv("MONOGRAM_HOME", "/nowhere")
    found = chosen(digest, "neuron")
    assert set(found) == {"layer", "threshold"}
    assert editor("neuron", **found).config == NeuronConfig()
