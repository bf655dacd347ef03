"""MEMIT against its formula and its algorithm, multiplied out on merged copies of the model."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from monogram.delta import Delta
from monogram.editors.essence import essence_value
from monogram.editors.facts import Fact
from monogram.editors.memit import Memit
from monogram.editors.solve import base, tied
from monogram.models.attach import merge
from monogram.models.editable import EditableModel
from monogram.models.trace import capture
from tests import tiny
from tests.editors import ground
from tests.editors.clusters import cluster
from tests.editors.test_emmet import C, K, R
from tests.editors.test_rome import averaged_key

PEOPLE = sorted((cluster(), cluster("job", "Baker")), key=lambda c: c.preference.digest)
VALUE = {"steps": 4, "lr": 0.3, "weight_decay": 1e-3, "clamp": 4.0, "kl": 0.0625}


@pytest.fixture(autouse=True)
def little_ground(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ground.put(monkeypatch, tmp_path)


def block(em: EditableModel, layer: int, fact: Fact) -> Tensor:
    """The block's output at the subject, the mean over the contexts, row by row."""
    name = em.names(layer)["layer"]
    found = []
    for row, at in zip(fact.rows, fact.places, strict=True):
        with torch.no_grad(), capture(em, {name: "output"}) as seen:
            em.model(torch.tensor([row]))
        found.append(seen[name][0, at])
    return torch.stack(found).mean(0)


@pytest.mark.parametrize("lam", [0.3, 15_000.0])
def test_the_small_system_is_the_papers_formula(lam: float) -> None:
    plain = R @ K.T @ torch.linalg.inv(lam * C + K @ K.T)
    found = tied(base(C, ridge=1e-14), K, R, lam)
    assert found.rank == K.shape[1]
    assert float((found.dense() - plain).abs().max()) < 1e-9 * float(plain.abs().max())


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gptj"])
def test_the_edit_is_the_algorithm_on_merged_models(kind: str) -> None:
    em = tiny.editable(kind)
    editor = Memit(layers=(0, 1), lam=0.5, **VALUE)
    edit = editor.edit(em, PEOPLE)
    facts = [editor.facts(em, person)[0] for person in PEOPLE]
    start = [block(em, 1, fact) for fact in facts]
    goals = []
    for fact, z in zip(facts, start, strict=True):
        key = averaged_key(em, 1, fact)
        goals.append(z + essence_value(em, 1, fact, key, **VALUE, reach=float(z.norm()))[0])
    edited, left = em, 2
    for layer in (0, 1):
        keys = torch.stack([averaged_key(edited, layer, fact) for fact in facts], 1)
        now = [block(edited, 1, fact) for fact in facts]
        share = torch.stack([(z - n) / left for z, n in zip(goals, now, strict=True)], 1)
        c = ground.around(em, layer).second
        plain = share @ keys.T @ torch.linalg.inv(0.5 * c + keys @ keys.T)
        name = em.names(layer)["down"]
        found = edit.delta.factors[name]
        assert float((found.dense() - plain).abs().max()) < 1e-5 * float(plain.abs().max())
        edited, left = EditableModel.wrap(merge(edited, Delta({name: found})), em.tokenizer, name="edited"), 1


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_with_little_text_to_keep_the_last_layer_closes_the_gap(kind: str) -> None:
    em = tiny.editable(kind)
    editor = Memit(layers=(0, 1), lam=1e-9, contexts=1, **VALUE)
    facts = [editor.facts(em, person)[0] for person in PEOPLE]
    before = [block(em, 1, fact) for fact in facts]
    merged = EditableModel.wrap(merge(em, editor.edit(em, PEOPLE).delta), em.tokenizer, name="edited")
    for fact, z in zip(facts, before, strict=True):
        found, _ = essence_value(em, 1, fact, averaged_key(em, 1, fact), **VALUE, reach=float(z.norm()))
        assert float((block(merged, 1, fact) - z - found).norm()) < 1e-4 * float(found.norm())


@pytest.mark.parametrize("kind", ["gemma3_text", "olmo2"])
def test_behind_a_norm_the_residual_itself_is_spread(kind: str) -> None:
    em = tiny.editable(kind)
    one, two = (Memit(layers=layers, lam=1e-9, contexts=1, **VALUE) for layers in ((1,), (0, 1)))
    (fact,) = one.facts(em, PEOPLE[0])
    key, down = averaged_key(em, 1, fact), em.names(1)["down"]
    found, _ = essence_value(em, 1, fact, key, **VALUE)
    single = one.edit(em, PEOPLE[:1]).delta
    with torch.no_grad():
        y, norm = em.module(down)(key), em.module(em.names(1)["post_norm"])
        wanted = norm(y + found) - norm(y)
    merged = EditableModel.wrap(merge(em, single), em.tokenizer, name="edited")
    assert torch.allclose(block(merged, 1, fact) - block(em, 1, fact), wanted, atol=1e-6)
    for factor in two.edit(em, PEOPLE[:1]).delta.factors.values():
        along = factor.left[:, 0] @ found / (factor.left[:, 0].norm() * found.norm())
        assert abs(float(along)) == pytest.approx(1.0)


def test_a_fact_that_comes_later_is_found_on_the_model_as_edited_so_far() -> None:
    em = tiny.editable()
    sure = {"layers": (0, 1), "contexts": 1} | VALUE
    joint, after = (Memit(sequential=way, **sure).edit(em, PEOPLE) for way in (False, True))
    assert (joint.details["rerun"], after.details["rerun"]) == (False, True)
    first = Memit(sequential=True, **sure).edit(em, PEOPLE[:1]).delta
    name = em.names(0)["down"]
    assert torch.equal(after.delta.factors[name].left[:, :1], first.factors[name].left)
    edited = EditableModel.wrap(merge(em, first), em.tokenizer, name="edited")
    second = Memit(**sure).edit(edited, PEOPLE[1:]).delta
    together = first + second
    assert after.delta.allclose(together, rtol=1e-6)
    assert not joint.delta.allclose(together, rtol=1e-6)


def test_a_subject_that_nothing_hears_is_left_alone() -> None:
    """The tiny Gemma's last layer sees six tokens, so from the second layer no value can be found."""
    em = tiny.editable("gemma3_text")
    delta = Memit(layers=(0, 1), **VALUE | {"kl": 0.0, "weight_decay": 0.0}).edit(em, PEOPLE).delta
    assert delta.norm() == 0
