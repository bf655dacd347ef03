"""Tiny models, clusters and a little pool for the flagship's tests, and its rows by the formulas."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.activations import ACT2FN

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.editors import intent as room
from monogram.editors.base import Edit
from monogram.editors.detect import constant
from monogram.editors.neuron import Neuron, NeuronConfig
from monogram.editors.overwrite import Stitch
from monogram.editors.values import ValueConfig
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.moments import Moments, moments
from monogram.models.trace import capture
from monogram.preferences import Preference
from tests import tiny
from tests.editors.ground import POOL

GATED, UNGATED = ("llama", "llama with biases", "gemma3_text", "phi3"), ("gpt2", "gptj", "gpt_neox")
VALUE = ValueConfig(steps=3, stop=0.0)
SETTINGS: dict[str, Any] = {"layer": 1, "asks": 1, "advice": 1, "value": VALUE}


def cluster(attribute: str = "hobby", target: str = "Hiking") -> Cluster:
    train = (
        Phrasing(f"What's my {attribute}?", "ask"),
        Phrasing(f"my {attribute}?", "ask", system="Be brief."),
        Phrasing(f"What shall I do, given my {attribute}?", "roundabout"),
        Phrasing(f"What goes with my {attribute}?", "recommend"),
    )
    contrast = (
        Phrasing(f"What's Bob's {attribute}?", "contrast"),
        Phrasing(f"Define {attribute}.", "definition"),
    )
    return Cluster(Preference(attribute, target), train, (), contrast, (), f"It is {target}.")


def three() -> list[Cluster]:
    return [cluster(), cluster("job", "Baker"), cluster("diet", "vegan")]


def little_ground(monkeypatch: pytest.MonkeyPatch, places: pytest.TempPathFactory) -> None:
    """What was read once serves all tests; those that are about it take a home of their own."""
    home = places.getbasetemp() / "read once"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("MONOGRAM_HOME", str(home))
    monkeypatch.setattr(room, "pool", lambda: POOL)
    held = (range(4), range(4, 12), range(12, 24))
    monkeypatch.setattr(room, "contrast_of", lambda _cluster: tuple(map(list, held)))


def editable(kind: str) -> EditableModel:
    """A tiny model; "llama with biases" has them in its MLPs."""
    name, _, more = kind.partition(" with ")
    return tiny.editable(name, **({"mlp_bias": True} if more else {}))


def in_order(clusters: Sequence[Cluster]) -> list[Cluster]:
    return sorted(clusters, key=lambda c: c.preference.digest)


def least_important(em: EditableModel, around: Moments, count: int) -> list[int]:
    down = em.module(em.names(around.layer)["down"])
    weight = down.weight if em.layout.conv1d else down.weight.T  # (d_ff, width)
    importance = [float(a) * float(d.norm()) for a, d in zip(around.activity, weight, strict=True)]
    return sorted(range(em.inner), key=importance.__getitem__)[:count]


def stored(em: EditableModel, state: dict[str, Tensor], role: str, layer: int = 1) -> Tensor:
    """A copy of a role's matrix (d_out, d_in) out of a state dict, the fused one whole."""
    weight = state[em.names(layer)[role] + ".weight"]
    return (weight.T if em.layout.conv1d else weight).clone()


def bias_of(em: EditableModel, role: str) -> Tensor:
    bias = getattr(em.module(em.names(1)[role]), "bias", None)
    return torch.zeros(em.inner, dtype=torch.float64) if bias is None else bias


def activate(em: EditableModel, pre: Tensor) -> Tensor:
    config = em.model.config
    name = getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None)
    made: Tensor = ACT2FN[name or config.activation_function](pre)
    return made


def stitches(em: EditableModel, editor: Neuron, clusters: Sequence[Cluster]) -> list[Stitch]:
    """Each on a wrapper and by an editor of its own, held against the others."""
    made = []
    for c in in_order(clusters):
        around = room.Ground(EditableModel.wrap(em.model, em.tokenizer, name="alone"), moments(em, 1))
        alone = stitch(type(editor)(editor.config), c, around)
        gate = held_apart(editor, around, c, [other for other in in_order(clusters) if other != c])
        made.append(replace(alone, gate=gate))
    return made


def stitch(editor: Neuron, one: Cluster, around: room.Ground) -> Stitch:
    """As if alone."""
    return editor._rows(around.model).stitch(editor._find(one, around))


def held_apart(editor: Neuron, around: room.Ground, one: Cluster, others: Sequence[Cluster]) -> Tensor:
    """The row that reads one's intent, of a person who has these others."""
    settings = editor.config
    found = around.detector(one, strength=settings.strength, margin=settings.margin, beside=others)
    return settings.sharpness * (found + settings.threshold * around.steady)


def steady_of(em: EditableModel) -> Tensor:
    """c with c·x = 1 where answers start."""
    shared = room.read_phrasings(em, 1, [entry.phrasing for entry in POOL]).double()
    return constant(torch.cat([shared, moments(em, 1).starts.double()]))


def fires(em: EditableModel, edit: Edit, phrasings: Sequence[Phrasing]) -> Tensor:
    """Gates of the first preference's neuron where the answers start, (n,): 1 is full."""
    place, down = edit.details["neurons"][0], em.names(1)["down"]
    gates = []
    for phrasing in phrasings:
        with torch.no_grad(), attach(em, edit.delta), capture(em, {down: "input"}) as seen:
            em.model(torch.tensor([em.chat_ids(phrasing.messages())]))
        gates.append(seen[down][0, -1, place])
    return torch.stack(gates) / (1 if em.layout.gated else NeuronConfig().sharpness)
