"""What holds for every editor that has a name, built in or a plugin's, on models of every kind."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.editors.base import Edit, Editor, edit_with
from monogram.editors.kept import Memory
from monogram.editors.registry import editor, editor_names
from monogram.models.attach import attach
from tests import tiny
from tests.editors import ground
from tests.editors.clusters import cluster

KINDS = ("llama", "qwen3", "gemma3_text", "olmo2", "gpt2", "gptj")
PEOPLE = [cluster(), cluster("job", "Baker")]
CLOSED = ("cluster", "rome", "memit", "emmet", "alphaedit")
"""Editors that take no gradient step where one of many is forgotten."""
LOW = {"layers": (0,)}
"""The tiny Gemma's last layer sees six tokens: from its second layer no subject is heard at the answer."""
QUICK = {"steps": 1, "asks": 1, "advice": 1, "phrasings": 1, "contexts": 1, "radius": 1e6}


def quick(name: str, kind: str = "llama") -> Editor:
    """The editor with few steps, whatever its settings are called."""
    made = editor(name)
    there = {field.name for field in fields(made.config)}
    low = LOW if kind == "gemma3_text" else {}
    changes: dict[str, Any] = {k: v for k, v in (QUICK | low).items() if k in there}
    if isinstance(changes.get("advice"), int) and isinstance(made.config.__dict__.get("advice"), bool):
        del changes["advice"]
    if "value" in there:
        changes["value"] = replace(made.config.value, steps=1)
    made.config = replace(made.config, **changes)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def little_ground(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in editor_names():
        editor(name)  # loaded, so that it stands on the little ground too
    ground.put(monkeypatch, home, ground.hollow)


def digest(edit: Edit) -> str:
    return edit.change.digest


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", editor_names())
def test_it_edits_every_kind_of_model_and_leaves_the_weights(name: str, kind: str) -> None:
    em = tiny.editable(kind)
    before, made = em.weights_digest(), quick(name, kind)
    edit = edit_with(made, em, PEOPLE)
    row = torch.tensor([em.chat_ids(PEOPLE[0].train[0].messages())])
    with torch.no_grad():
        plain = em.model(row).logits
        with attach(em, edit.change):
            edited = em.model(row).logits
    assert edit.change.nbytes > 0
    assert bool(edited.isfinite().all())
    assert not torch.equal(plain, edited)
    assert em.weights_digest() == before


@pytest.mark.parametrize("name", editor_names())
def test_the_order_in_which_preferences_are_given_does_not_matter(name: str) -> None:
    em = tiny.editable()
    assert digest(edit_with(quick(name), em, PEOPLE)) == digest(edit_with(quick(name), em, PEOPLE[::-1]))


@pytest.mark.parametrize("name", [name for name in CLOSED if name in editor_names()])
def test_one_of_twenty_is_forgotten_to_the_bit_without_a_gradient_step(name: str) -> None:
    em, keep, made = tiny.editable(), Memory(), quick(name)
    many = sorted((cluster(f"thing {n}", f"T{n}") for n in range(20)), key=lambda c: c.preference.digest)
    edit_with(made, em, many, keep=keep)
    left = many[:6] + many[7:]
    again = edit_with(made, em, left, keep=keep)
    assert found(again) == 0
    assert again.delta == edit_with(quick(name), em, left[::-1]).delta


def found(edit: Edit) -> int:
    """How many values were found now."""
    steps: Sequence[int] = edit.details.get("steps", ())
    return int(edit.details["found"]) if "found" in edit.details else sum(map(bool, steps))


def test_an_edit_in_sequence_says_that_it_is_run_again() -> None:
    if "rome-sequential" not in editor_names():
        pytest.skip("entry points are an installed package's: pip install -e . first")
    em, keep = tiny.editable(), Memory()
    for _ in range(2):
        edit = edit_with(quick("rome-sequential"), em, PEOPLE, keep=keep)
        assert edit.details["rerun"]
        assert found(edit) == len(edit.details["subjects"])


PUBLISHED: dict[str, dict[str, Any]] = {
    "rome": {"layer": 5 / 31, "covariance": "identity", "steps": 25, "lr": 0.5, "clamp": 4.0, "kl": 0.0625},
    "rome-sequential": {"layer": 5 / 31, "covariance": "identity", "synonyms": 9, "sequential": True},
    "memit": {"layers": tuple(n / 31 for n in range(4, 9)), "lam": 15_000, "lr": 0.5, "weight_decay": 1e-3},
    "emmet": {"layer": 5 / 31, "epsilon": 0.1, "steps": 25, "lr": 0.5, "weight_decay": 1e-3, "clamp": 4.0},
    "alphaedit": {
        "layers": tuple(n / 31 for n in range(4, 9)),
        "threshold": 2e-2,
        "ridge": 10.0,
        "lr": 0.1,
        "weight_decay": 0.5,
        "clamp": 0.75,
        "kl": 0.0625,
    },
    "grace": {"layer": 27 / 31, "radius": 1.0, "lr": 1.0, "steps": 50},
}
"""Settings as published for models of 7-8B (docs/methods.md)."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_settings_have_a_name(name: str) -> None:
    if name not in editor_names():
        pytest.skip("entry points are an installed package's: pip install -e . first")
    config = editor(name, preset="paper").config
    assert {field: getattr(config, field) for field in PUBLISHED[name]} == PUBLISHED[name]
    assert editor(name, preset="paper", steps=3).config == replace(config, steps=3)
