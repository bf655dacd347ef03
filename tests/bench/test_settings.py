"""Settings are words, and reach the editor that they name."""

import pytest

from monogram.bench.methods import methods
from monogram.bench.settings import set_by
from monogram.editors.neuron import Neuron
from monogram.errors import InputError, UnknownNameError
from tests import tiny


def test_settings_are_words_and_reach_the_editor() -> None:
    em = tiny.editable()
    words = ["neuron.layer=3", "neuron.value.lr=plain", "memit.layers=[0.1, 2]", "rome.sequential=true"]
    assert set_by(words) == {
        "neuron": {"layer": 3, "value.lr": "plain"},
        "memit": {"layers": (0.1, 2)},
        "rome": {"sequential": True},
    }
    (made,) = methods(["rome"], em, [], set_by(["rome.synonyms=3", "rome.covariance=moments"]))
    assert (made.settings["config"].synonyms, made.settings["config"].covariance) == (3, "moments")
    assert made.settings["by_synonym"]
    (made,) = methods(["neuron"], em, [], set_by(["neuron.value.steps=7", "neuron.asks=2"]))
    assert (made.settings["config"].value.steps, made.settings["config"].asks) == (7, 2)
    assert made.settings["config"].value.lr == Neuron().config.value.lr
    with pytest.raises(UnknownNameError, match=r"'stepz'.*Did you mean 'steps'"):
        methods(["neuron"], em, [], set_by(["neuron.value.stepz=7"]))
    with pytest.raises(UnknownNameError, match="'x'"):
        methods(["neuron"], em, [], set_by(["neuron.strength.x=7"]))
    for word in ("synonyms=3", "memit.a..b=1", "memit.synonyms", "memit.=3", ".synonyms=3"):
        with pytest.raises(InputError, match=r"Write METHOD\.FIELD=VALUE"):
            set_by([word])
    for stranger in ("rome", "none"):
        with pytest.raises(InputError, match=f"Settings were given for {stranger}"):
            methods(["none", "neuron"], em, [], {stranger: {"layer": 3}})
