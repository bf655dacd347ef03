"""ROME against its formula, multiplied out, and its value step against the whole model, in float64."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.delta import Delta
from monogram.editors import rome
from monogram.editors.essence import Fact, essence_value
from monogram.editors.rome import Rome, RomeSequential, rank_one
from monogram.editors.solve import base
from monogram.errors import InputError, LayerError
from monogram.models.attach import attach, merge
from monogram.models.editable import EditableModel
from monogram.models.trace import capture, replaced
from monogram.preferences import Preference
from tests import tiny

KINDS = ("llama", "gpt2", "gemma3_text")
LAYER = {
    "llama": 1,
    "gpt2": 1,
    "gemma3_text": 0,
}  # gemma's last layer sees six tokens: the subject is farther away
SETTINGS = {"layer": 1, "steps": 6, "lr": 0.3}
VALUE = {"steps": 6, "lr": 0.3, "weight_decay": 1e-3, "clamp": 4.0, "kl": 0.0625}


def cluster(attribute: str = "hobby", target: str = "Hiking", *texts: str) -> Cluster:
    asked = texts or (f"What's my {attribute}?",)
    train = (
        *(Phrasing(text, "ask") for text in asked),
        Phrasing("And now?", "recommend", system="Be brief."),
        Phrasing("Well?", "roundabout", history=(("user", "Hi"), ("assistant", "Hello."))),
    )
    return Cluster(Preference(attribute, target), train, (), (), (), f"It is {target}.")


def averaged_key(em: EditableModel, layer: int, fact: Fact) -> Tensor:
    """One row at a time, through the whole model."""
    name = em.names(layer)["down"]
    found = []
    for row, at in zip(fact.rows, fact.places, strict=True):
        with torch.no_grad(), capture(em, {name: "input"}) as seen:
            em.model(torch.tensor([row]))
        found.append(seen[name][0, at])
    return torch.stack(found).mean(0)


def whole_value(em: EditableModel, layer: int, fact: Fact, key: Tensor) -> Tensor:
    """ROME's step as the paper has it: the residual is added in the whole model, row by row."""
    name = em.names(layer)["down"]

    def said(row: list[int], at: int, residual: Tensor | None) -> Tensor:
        def add(out: Tensor) -> Tensor:
            spot = torch.zeros(out.shape[1], 1, dtype=out.dtype)
            spot[at] = 1
            return out if residual is None else out + spot * residual

        with replaced(em, name, add):
            found: Tensor = em.model(torch.tensor([row])).logits[0].log_softmax(-1)
        return found

    first, last = fact.essence_places
    before = said(fact.essence, first, None)[last]
    reach = float(em.module(name)(key[None]).norm())
    residual = torch.zeros(em.width, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([residual], lr=VALUE["lr"])
    for _ in range(int(VALUE["steps"])):
        rows = [said(row + fact.answer, at, residual) for row, at in zip(fact.rows, fact.places, strict=True)]
        count = len(fact.answer)
        nll = [functional.nll_loss(p[-count - 1 : -1], torch.tensor(fact.answer)) for p in rows]
        after = said(fact.essence, first, residual)[last]
        drift = (before.exp() * (before - after)).sum()
        loss = torch.stack(nll).mean() + 0.0625 * drift + 1e-3 * residual.norm() / reach**2
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            if residual.norm() > 4 * reach:
                residual *= 4 * reach / residual.norm()
    return residual.detach()


def spread_out(em: EditableModel, layer: int) -> Tensor:
    noise = torch.randn(em.inner, em.inner, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.eye(em.inner, dtype=torch.float64) + noise @ noise.T / em.inner


@pytest.fixture
def known_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rome, "moments", lambda em, layer: SimpleNamespace(second=spread_out(em, layer)))


@pytest.mark.usefixtures("known_moments")
@pytest.mark.parametrize("covariance", ["identity", "moments"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_delta_is_the_plain_formula_and_maps_k_to_v(kind: str, covariance: str) -> None:
    em = tiny.editable(kind)
    layer = LAYER[kind]
    editor = Rome(**(SETTINGS | {"layer": layer}), covariance=covariance)
    (fact,) = editor.facts(em, cluster())
    assert len(fact.rows) == 3
    name = em.names(layer)["down"]
    delta = editor.edit(em, [cluster()]).delta.factors[name].dense()
    k = averaged_key(em, layer, fact)
    w = em.matrix("down", layer)
    v_star = w @ k + whole_value(em, layer, fact, k)
    c = torch.eye(em.inner, dtype=torch.float64) if covariance == "identity" else spread_out(em, layer)
    u = torch.linalg.inv(c) @ k
    plain = torch.outer(v_star - w @ k, u) / (u @ k)
    assert float((v_star - w @ k).norm()) > 0.1
    assert float((delta - plain).abs().max()) < 1e-6
    assert float(((w + delta) @ k - v_star).abs().max()) < 1e-6


@pytest.mark.parametrize("position", ["subject", "answer"])
@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_its_value_is_what_the_whole_model_gives(kind: str, layer: int, position: str) -> None:
    em = tiny.editable(kind)
    (fact,) = Rome(position=position).facts(em, cluster())
    assert all(
        (at == len(row) - 1) == (position == "answer") for row, at in zip(fact.rows, fact.places, strict=True)
    )
    k = averaged_key(em, layer, fact)
    found, _ = essence_value(em, layer, fact, k, **VALUE)
    assert torch.allclose(found, whole_value(em, layer, fact, k), atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_makes_the_answer_likelier_and_leaves_the_weights(kind: str) -> None:
    em = tiny.editable(kind)
    before = em.weights_digest()
    edit = Rome(layer=LAYER[kind]).edit(em, [cluster()])
    (fact,) = Rome().facts(em, cluster())
    row = torch.tensor([fact.rows[0] + fact.answer])

    def likelihood() -> float:
        with torch.no_grad():
            told = em.model(row).logits[0, -len(fact.answer) - 1 : -1].log_softmax(-1)
        return float(told.gather(1, torch.tensor(fact.answer)[:, None]).mean())

    plain = likelihood()
    with attach(em, edit.delta):
        assert likelihood() > plain + 0.1
    assert em.weights_digest() == before
    assert edit.details["subjects"] == ["hobby"]


@pytest.mark.parametrize("kind", KINDS)
def test_in_sequence_each_edit_is_found_on_the_model_as_edited_so_far(kind: str) -> None:
    em = tiny.editable(kind)
    person = cluster("hobby", "Hiking", "What's my pastime?", "What's my hobby?", "Tell me my hobby.")
    layer = LAYER[kind]
    editor = RomeSequential(**(SETTINGS | {"layer": layer}))
    facts = editor.facts(em, person)
    assert [fact.subject for fact in facts] == ["hobby", "pastime"]
    edit = editor.edit(em, [person])
    name = em.names(layer)["down"]
    assert edit.delta.rank == 2
    so_far = Delta.zero()
    for i, fact in enumerate(facts):
        edited = EditableModel.wrap(merge(em, so_far), em.tokenizer, name="edited")
        key = averaged_key(edited, layer, fact)
        residual, _ = essence_value(edited, layer, fact, key, **VALUE)
        factor = rank_one(key, residual)
        found = edit.delta.factors[name]
        assert torch.allclose(found.left[:, i : i + 1] @ found.right[i : i + 1], factor.dense(), atol=1e-9)
        so_far += Delta({name: factor})


def test_rome_edits_by_the_question_that_names_the_attribute() -> None:
    em = tiny.editable()
    asked = ("Who am I?", "What's my pastime?", "What's my hobby?")
    assert [f.subject for f in Rome().facts(em, cluster("hobby", "Hiking", *asked))] == ["hobby"]
    assert [f.subject for f in Rome().facts(em, cluster("hobby", "Hiking", *asked[:2]))] == ["pastime"]
    assert [f.subject for f in Rome().facts(em, cluster("hobby", "Hiking", *asked[:1]))] == ["I"]
    many = RomeSequential(synonyms=2).facts(em, cluster("hobby", "Hiking", *asked))
    assert [f.subject for f in many] == ["hobby", "pastime"]


@pytest.mark.parametrize("editor", [Rome, RomeSequential])
def test_it_depends_on_the_set_alone_to_the_bit(editor: type[Rome]) -> None:
    em = tiny.editable()
    a, b, c = cluster(), cluster("job", "Baker"), cluster("diet", "vegan")
    ready = editor(**SETTINGS)
    everything = ready.edit(em, [a, b, c]).delta
    assert everything == editor(**SETTINGS).edit(em, [c, b, a]).delta
    assert ready.edit(em, [c, a]).delta == editor(**SETTINGS).edit(em, [a, c]).delta
    assert ready.edit(em, []).delta == Delta.zero()


def test_rome_finds_each_preference_on_the_base_model() -> None:
    em = tiny.editable()
    a, b = sorted((cluster(), cluster("job", "Baker")), key=lambda c: c.preference.digest)
    ready = Rome(**SETTINGS)
    assert ready.edit(em, [b, a]).delta == ready.edit(em, [a]).delta + ready.edit(em, [b]).delta


def test_deltas_of_float32_models_are_float32() -> None:
    (factor,) = Rome(**SETTINGS).edit(tiny.editable(dtype=torch.float32), [cluster()]).delta.factors.values()
    assert factor.dtype == torch.float32


def test_the_residual_stays_within_the_clamp() -> None:
    em = tiny.editable()
    (fact,) = Rome().facts(em, cluster())
    k = averaged_key(em, 1, fact)
    found, _ = essence_value(em, 1, fact, k, **(VALUE | {"lr": 50.0, "clamp": 0.5}))
    assert float(found.norm()) == pytest.approx(0.5 * float((em.matrix("down", 1) @ k).norm()))


def test_what_cannot_be_edited_is_said() -> None:
    em = tiny.editable()
    with pytest.raises(LayerError, match="Layer 3"):
        Rome(layer=3).edit(em, [cluster()])
    with pytest.raises(InputError, match="no phrasing"):
        Rome().edit(em, [replace(cluster(), train=())])


def test_c_of_another_kind_than_identity_changes_only_the_direction_of_the_key() -> None:
    key, residual = (torch.arange(1.0, 5.0, dtype=torch.float64) + i for i in range(2))
    ground = base(torch.diag(torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64)), ridge=1e-12)
    found = rank_one(key, residual, ground)
    assert torch.allclose(found.dense() @ key, residual)
    scaled = found.right[0] * torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64) / key
    assert torch.allclose(scaled, scaled[:1].expand(4))
