"""Editors come by name through entry points, built-in ones and a plugin's alike."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest

from monogram.editors import registry as room
from monogram.editors.base import Edit, Editor, chosen_layer
from monogram.editors.neuron import Neuron, NeuronConfig
from monogram.editors.registry import GROUP, editor, editor_names
from monogram.errors import InputError, LayerError, UnknownNameError
from tests import tiny

BUILT_IN = (
    *("cluster", "neuron", "neuron-plain", "rome", "rome-sequential"),
    *("memit", "emmet", "alphaedit", "grace"),
    *("ft-l", "ft-m", "lora", "adalora", "lora-neuron"),
)


@pytest.fixture(autouse=True)
def installed() -> None:
    if not entry_points(group=GROUP):
        pytest.skip("entry points are an installed package's: pip install -e . first")


def test_the_built_in_ones_are_there_sorted() -> None:
    assert set(BUILT_IN) <= set(editor_names())
    assert list(editor_names()) == sorted(set(editor_names()))


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_is_an_editor_under_its_own_name(name: str) -> None:
    made = editor(name)
    assert isinstance(made, Editor)
    assert made.name == name
    assert made.config == editor(name).config


def test_settings_reach_the_configuration() -> None:
    assert editor("neuron", layer=3, margin=0.7).config.layer == 3
    assert editor("neuron", margin=0.7).config.margin == 0.7


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("neurom", "neuron"), ("Rome", "rome"), ("clusters", "cluster"), ("neuron_plain", "neuron-plain")],
)
def test_a_misspelt_name_is_answered_with_the_nearest(asked: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=r"(?i)did you mean") as told:
        editor(asked)
    assert repr(asked) in str(told.value)
    assert meant in str(told.value)


def test_a_strange_name_is_answered_with_all_there_are() -> None:
    with pytest.raises(UnknownNameError) as told:
        editor("qqqq")
    for name in editor_names():
        assert name in str(told.value)


def test_a_setting_that_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match=r"Editor 'neuron' .*colour"):
        editor("neuron", colour="red")


class Plugin:
    """Somebody else's editor."""

    name = "mine"

    def __init__(self, **settings: Any) -> None:
        self.config = settings

    def edit(self, *_: Any, **__: Any) -> Edit:
        raise NotImplementedError


def test_a_plugins_editor_comes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = EntryPoint("mine", f"{__name__}:Plugin", GROUP)
    monkeypatch.setattr(mine.__class__, "load", lambda self: Plugin)
    monkeypatch.setattr(room, "entry_points", lambda group: (mine,))
    assert editor_names() == ("mine",)
    made = editor("mine", a=1)
    assert isinstance(made, Editor)
    assert made.config == {"a": 1}


@pytest.mark.parametrize(("wanted", "layer"), [(0, 0), (2, 2), (0.0, 0), (1.0, 2), (0.5, 1), (0.76, 2)])
def test_a_layer_is_an_index_or_a_share_of_the_depth(wanted: float, layer: int) -> None:
    assert chosen_layer(tiny.editable(), wanted) == layer


@pytest.mark.parametrize("wanted", [3, -1, 1.01, -0.01])
def test_a_layer_that_is_not_there_is_told_with_those_that_are(wanted: float) -> None:
    with pytest.raises(LayerError, match=rf"Layer {wanted} .*'tiny-llama' has layers 0 to 2"):
        chosen_layer(tiny.editable(), wanted)
    with pytest.raises(IndexError):
        chosen_layer(tiny.editable(), wanted)


def test_a_preset_is_where_settings_start_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Neuron, "presets", {"paper": NeuronConfig(layer=2, asks=9)}, raising=False)
    made = editor("neuron", preset="paper", asks=3)
    assert (made.config.layer, made.config.asks) == (2, 3)
    with pytest.raises(UnknownNameError, match=r"preset of editor 'neuron' 'papr'.*paper"):
        editor("neuron", preset="papr")
    with pytest.raises(UnknownNameError, match=r"preset of editor 'cluster'"):
        editor("cluster", preset="paper")
