"""Settings are words, and reach the editor that they name."""

import pytest

from monogram.bench.methods import methods
from monogram.bench.settings import set_by
from monogram.errors import InputError
from tests import tiny


def test_settings_are_words_and_reach_the_editor() -> None:
    em = tiny.editable()
    words = ["neuron.layer=3", "neuron.value=plain", "a.b.layers=[0.1, 2]", "rome.sequential=true"]
    assert set_by(words) == {
        "neuron": {"layer": 3, "value": "plain"},
        "a.b": {"layers": (0.1, 2)},
        "rome": {"sequential": True},
    }
    (made,) = methods(["rome"], em, [], set_by(["rome.synonyms=3", "rome.targets=different"]))
    assert (made.settings["config"].synonyms, made.settings["config"].targets) == (3, "different")
    assert made.settings["by_synonym"]
    for word in ("synonyms=3", "memit.synonyms", "memit.=3", ".synonyms=3"):
        with pytest.raises(InputError, match=r"Write METHOD\.FIELD=VALUE"):
            set_by([word])
    for stranger in ("rome", "none"):
        with pytest.raises(InputError, match=f"Settings were given for {stranger}"):
            methods(["none", "neuron"], em, [], {stranger: {"layer": 3}})
