"""What a neuron is held against: it fires on its own phrasings, beside others too, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from monogram.clusters.cluster import Phrasing
from monogram.clusters.expand import expand
from monogram.clusters.pool import contrast_of, pool
from monogram.delta import Delta
from monogram.editors import intent as room
from monogram.editors.detect import constant, fit
from monogram.editors.keys import kept_readings
from monogram.editors.neuron import Neuron
from monogram.models.attach import attach, merge
from monogram.models.moments import moments
from monogram.models.trace import capture
from monogram.preferences import Preference
from tests import tiny
from tests.editors.neurons import (
    POOL,
    SETTINGS,
    bias_of,
    cluster,
    fires,
    held_apart,
    in_order,
    little_ground,
    three,
)


@pytest.fixture(autouse=True)
def _ground(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    little_ground(monkeypatch, tmp_path_factory)


@pytest.mark.parametrize("kind", ["llama", "phi3", "gpt2", "gptj"])
def test_far_below_its_threshold_a_neuron_is_silent(kind: str) -> None:
    em = tiny.editable(kind)
    edit = Neuron(**SETTINGS, threshold=-6.0).edit(em, three())
    names, places = em.names(1), edit.details["neurons"]
    ablated = merge(em, Delta.zero())
    weight = ablated.get_submodule(names["down"]).weight
    (weight if em.layout.conv1d else weight.T).data[places] = 0
    for text in ("What's my hobby?", "What's the capital of Peru?", "my job?"):
        ids = torch.tensor([em.chat_ids(text)])
        with torch.no_grad(), attach(em, edit.delta), capture(em, {names["down"]: "output"}) as edited:
            em.model(ids)
        with torch.no_grad(), capture(ablated, {names["down"]: "output"}) as without:
            ablated(ids)
        there, bare = (seen[names["down"]][0, -1] for seen in (edited, without))
        torch.testing.assert_close(there, bare, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "phi3"])
def test_it_fires_on_its_own_phrasings_and_not_on_others(kind: str) -> None:
    em = tiny.editable(kind)
    editor = Neuron(**SETTINGS, strength=1e4)
    edit = editor.edit(em, [cluster()])
    own, alike = (fires(em, edit, phrasings) for phrasings in (cluster().train, cluster().contrast))
    others = fires(em, edit, [entry.phrasing for entry in POOL])
    assert float(own.mean()) > 0.7
    assert float(alike.max()) < 0.1
    assert float(others.max()) < 0.1


def test_what_is_kept_on_disk_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable()
    whole = expand(Preference("hobby", "Hiking"))
    known = replace(whole, train=(whole.of_kind("ask")[0], *whole.train[-4:]), contrast=whole.contrast[:3])
    first = Neuron(**SETTINGS).edit(em, [known]).delta
    monkeypatch.setattr("monogram.editors.keys.read_at", lambda *_, **__: pytest.fail("read again"))
    assert Neuron(**SETTINGS).edit(em, [known]).delta == first


def test_what_holds_somebodys_own_words_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))
    Neuron(**SETTINGS).edit(tiny.editable(), [cluster("secret hobby", "Hiking")])
    assert len(list(kept_readings().iterdir())) == 1  # the pool


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_beside_others_a_neuron_is_silent_at_what_they_are_asked_with(kind: str) -> None:
    em, editor = tiny.editable(kind), Neuron(**SETTINGS, strength=1e4)
    at = [c.preference.attribute for c in in_order(three())].index("hobby")
    own = cluster().train
    theirs = [p for c in three()[1:] for p in c.train]
    around = room.Ground(em, moments(em, 1))
    gates = {}
    for who, beside in (("alone", []), ("among", three()[1:])):
        gate = held_apart(editor, around, cluster(), beside)
        x = room.read_phrasings(em, 1, [*own, *theirs]).double() @ gate / editor.config.sharpness
        gates[who] = (float(x[: len(own)].mean()), float(x[len(own) :].clamp(min=0).max()))
    assert gates["alone"][1] > 0.3
    assert gates["among"][1] < 0.1
    assert gates["among"][0] > 0.6
    edit = editor.edit(em, three())
    place = edit.details["neurons"][at]
    read = "gate" if em.layout.gated else "up"
    weight = merge(em, edit.delta).get_submodule(em.names(1)[read]).weight
    row = (weight.T if em.layout.conv1d else weight)[place]
    bias = bias_of(em, read)[place] * around.steady
    wanted = held_apart(editor, around, cluster(), in_order(three()[1:])) - bias
    torch.testing.assert_close(row.double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("others", [1, 20])
def test_among_others_a_detector_is_freer_and_each_other_counts_for_itself(others: int) -> None:
    em = tiny.editable("llama")
    around = room.Ground(em, moments(em, 1))
    beside = [cluster(f"thing {i}", "Baker") for i in range(others)]

    def read(phrasings: Sequence[Phrasing]) -> Tensor:
        return room.read_phrasings(em, 1, phrasings).double()

    own, shared = cluster(), [entry.phrasing for entry in POOL]
    theirs, definitions = own.contrast[:1], own.contrast[1:]
    groups = [(read(group), 1.0) for group in (theirs, definitions, shared[:4], shared[4:12])]
    groups += [(read(shared[12:24]), 3.0)]
    for other in beside:  # its asks, and what else it is asked with: 2 in all for few, .08 each for many
        groups += [(read(part), 1.0 if others == 1 else 0.08) for part in (other.train[:2], other.train[2:])]
    positives = [read(part) for part in (own.train[:2], own.train[2:3], own.train[3:])]
    starts = torch.cat([read(shared), moments(em, 1).starts.double()])
    fall = -2 * constant(moments(em, 1).inputs, starts, weight=100)  # in text, and not where answers start
    text = (moments(em, 1).inputs.double(), 0.3)
    plain = fit(positives, groups, around.steady, strength=3 * 10.0, margin=0.1, text=text, fall=fall)
    found = around.detector(own, strength=10.0, margin=0.1, beside=beside)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-7)


def test_whole_clusters_and_the_whole_pool_serve_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "pool", pool)
    monkeypatch.setattr(room, "contrast_of", contrast_of)
    em = tiny.editable(dtype=torch.float32)
    whole = expand(Preference("hobby", "Hiking"))
    edit = Neuron(**SETTINGS).edit(em, [whole])
    own = fires(em, edit, whole.train[::3]).mean()
    assert float(own) > float(fires(em, edit, [entry.phrasing for entry in pool()[::40]]).mean())
    assert edit.delta.rank == 1


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text"])
def test_in_ordinary_text_a_detector_is_shut(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable(kind)
    around = moments(em, 1)
    text, starts = around.inputs.double(), room.Ground(em, around)._starts
    read = {}
    for far in (0.0, room.FALL):
        monkeypatch.setattr(room, "FALL", far)
        ground = room.Ground(em, around)
        found = ground.detector(cluster(), strength=3.0, margin=0.3)
        read[far] = float((text @ found).mean())
        assert float((starts @ ground.fall).mean().abs()) < 0.05  # nothing moves where answers start
    assert read[room.FALL] < read[0.0] - 0.1
