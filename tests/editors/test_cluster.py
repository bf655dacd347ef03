"""The joint edit against the normal equations: keys read row by row, values through the whole model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from monogram.clusters.cluster import Phrasing
from monogram.clusters.expand import expand
from monogram.clusters.pool import pool
from monogram.delta import Delta
from monogram.editors import cluster as room
from monogram.editors.cluster import ClusterEditor, others
from monogram.editors.lines import lines_of, opening
from monogram.editors.values import ValueConfig, value_step
from monogram.errors import InputError, LayerError
from monogram.models.editable import EditableModel
from monogram.models.trace import capture
from monogram.preferences import Preference
from tests import tiny
from tests.editors.clusters import cluster

KINDS = ("llama", "gpt2", "gemma3_text")
VALUE = ValueConfig(steps=5, gates=(1.0, 1.0), clamp=4.0)
SETTINGS = {"layer": 1, "phrasings": 1, "value": VALUE, "advice": True, "answer": "say"}
POOL = (*pool()[:8], *[entry for entry in pool() if not entry.owner][-4:])
WEIGHTS = {"lam": 0.5, "mu": 2.0, "nu": 0.7}


def second_of(em: EditableModel, _layer: int) -> Tensor:
    noise = torch.randn(
        3 * em.inner, em.inner, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    return noise.T @ noise / len(noise)


def read(em: EditableModel, layer: int, phrasings: Sequence[Phrasing]) -> Tensor:
    """One conversation at a time, through the whole model; (n, d_ff)."""
    name, found = em.names(layer)["down"], []
    for phrasing in phrasings:
        with torch.no_grad(), capture(em, {name: "input"}) as seen:
            em.model(torch.tensor([em.chat_ids(phrasing.messages())]))
        found.append(seen[name][0, -1].double())
    return torch.stack(found)


@pytest.fixture(autouse=True)
def little_ground(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))
    monkeypatch.setattr(room, "moments", lambda em, layer: SimpleNamespace(second=second_of(em, layer)))
    monkeypatch.setattr(room, "pool", lambda: POOL)
    monkeypatch.setattr(room, "contrast_of", lambda _cluster: ([0, 6], [1], [8, 9, 10, 11]))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_dense_normal_equations_solved_directly(kind: str) -> None:
    em = tiny.editable(kind)
    before = em.weights_digest()
    clusters = [cluster(), cluster("job", "Baker"), cluster("diet", "vegan")]
    edit = ClusterEditor(**SETTINGS, **WEIGHTS).edit(em, clusters)
    assert em.weights_digest() == before
    (name,) = edit.delta.factors
    assert name == em.names(1)["down"]
    assert edit.delta.rank == 3

    m = 0.5 * second_of(em, 1)
    around = read(em, 1, [entry.phrasing for entry in POOL])
    m = m + 0.7 * around[8:].T @ around[8:] / 4
    m = m + 1e-6 * m.diagonal().mean() * torch.eye(em.inner, dtype=torch.float64)
    m = m + 2.0 * around[[0, 6]].T @ around[[0, 6]] / 2 + 2.0 * torch.outer(around[1], around[1])
    wanted = [read(em, 1, c.train) for c in clusters]
    for c, keys in zip(clusters, wanted, strict=True):
        beside = read(em, 1, c.contrast)
        m = m + keys.T @ keys / len(keys) + 2.0 * beside.T @ beside / len(beside)
    delta = torch.zeros(em.width, em.inner, dtype=torch.float64)
    for c, keys in zip(clusters, wanted, strict=True):
        lines = lines_of(em, c, 1, 1)
        value = value_step(em, 1, lines.prompts, lines.answers, VALUE, weights=lines.weights, fast=False)
        gate = torch.linalg.inv(m) @ keys.mean(0)
        delta += torch.outer(value.residual, gate / (gate @ keys.mean(0)))
    assert float(delta.norm()) > 0.1
    assert float((edit.delta.factors[name].dense() - delta).abs().max()) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_gates_are_1_on_the_training_mean_as_the_model_sees_it(kind: str) -> None:
    em = tiny.editable(kind)
    clusters = sorted((cluster(), cluster("job", "Baker")), key=lambda c: c.preference.digest)
    (factor,) = ClusterEditor(**SETTINGS).edit(em, clusters).delta.factors.values()
    for row, c in zip(factor.right, clusters, strict=True):
        assert float((read(em, 1, c.train) @ row).mean()) == pytest.approx(1.0, abs=1e-9)


def test_a_forgotten_preference_was_never_there_to_the_bit() -> None:
    em = tiny.editable()
    a, b, c = cluster(), cluster("job", "Baker"), cluster("diet", "vegan")
    editor = ClusterEditor(**SETTINGS)
    everything = editor.edit(em, [a, b, c]).delta
    assert everything == ClusterEditor(**SETTINGS).edit(em, [c, b, a]).delta
    assert editor.edit(em, [c, a]).delta == ClusterEditor(**SETTINGS).edit(em, [a, c]).delta
    assert editor.edit(em, []).delta == Delta.zero()


def test_asks_alone_train_unless_advice_is_wanted_and_the_bare_target_may_be_the_answer() -> None:
    em, asks = tiny.editable(), cluster().of_kind("ask")
    plain, *_ = ClusterEditor(**(SETTINGS | {"advice": False})).wish(em, 1, cluster())
    assert torch.allclose(plain.keys.double(), read(em, 1, asks))
    bare, *_ = ClusterEditor(**(SETTINGS | {"answer": "target"})).wish(em, 1, cluster())
    lines = lines_of(em, cluster(), 1, 1)
    answers = [opening(em, "Hiking")] * 2
    weights = [[1 / 6] * 6] * 2
    value = value_step(em, 1, lines.prompts, answers, VALUE, weights=weights)
    assert torch.equal(bare.residual, value.residual)
    advice = replace(cluster(), train=cluster().of_kind("recommend"))
    only, *_ = ClusterEditor(**(SETTINGS | {"advice": False})).wish(em, 1, advice)
    assert len(only.keys) == 1


def test_what_the_model_alone_decides_is_factored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    plain = room.base

    def counted(*args: object, **settings: object) -> object:
        made.append(1)
        return plain(*args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "base", counted)
    editor, em = ClusterEditor(**SETTINGS), tiny.editable()
    editor.edit(em, [cluster()])
    editor.edit(em, [cluster("job", "Baker")])
    assert len(made) == 1
    editor.edit(tiny.editable(seed=1), [cluster()])
    assert len(made) == 2


def test_deltas_of_float32_models_are_float32() -> None:
    edit = ClusterEditor(**SETTINGS).edit(tiny.editable(dtype=torch.float32), [cluster()])
    assert {f.dtype for f in edit.delta.factors.values()} == {torch.float32}


def test_what_the_person_told_is_nobody_elses_contrast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hobby, job = expand(Preference("hobby", "Hiking")), expand(Preference("profession", "Baker"))
    alone = {pool()[place].phrasing.text for group in others([hobby]) for place in group}
    both = {pool()[place].phrasing.text for group in others([job, hobby]) for place in group}
    assert "What's my pet?" in both < alone
    assert not both & {phrasing.text for phrasing in (*hobby.train, *job.train)}
    owners = {pool()[place].owner for group in others([job, hobby]) for place in group}
    assert not owners & {"", "hobby", "profession"}


def test_the_layer_is_about_two_thirds_up() -> None:
    assert ClusterEditor().edit(tiny.editable(num_hidden_layers=7), []).details["layer"] == 4


def test_what_cannot_be_edited_is_said() -> None:
    em = tiny.editable()
    with pytest.raises(LayerError, match="Layer 9"):
        ClusterEditor(layer=9).edit(em, [cluster()])
    with pytest.raises(InputError, match="No phrasing"):
        ClusterEditor(layer=1).edit(em, [replace(cluster(), train=())])
    with pytest.raises(InputError, match="twice"):
        ClusterEditor(**SETTINGS).edit(em, [cluster(), cluster()])
