"""One preference, one neuron: exactly that is overwritten, and it can be taken back to the bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from monogram.delta import Delta
from monogram.editors import intent as room
from monogram.editors.neuron import Neuron, NeuronConfig
from monogram.editors.neuron_plain import NeuronPlain
from monogram.errors import InputError, LayerError
from monogram.models.attach import attach, merge
from monogram.models.moments import moments
from monogram.models.trace import capture
from tests import tiny
from tests.editors.neurons import (
    GATED,
    POOL,
    SETTINGS,
    UNGATED,
    VALUE,
    activate,
    bias_of,
    cluster,
    editable,
    in_order,
    least_important,
    little_ground,
    steady_of,
    stitches,
    stored,
    three,
)


@pytest.fixture(autouse=True)
def _ground(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    little_ground(monkeypatch, tmp_path_factory)


@pytest.mark.parametrize("kind", [*GATED, *UNGATED])
def test_exactly_one_neuron_for_each_preference_is_overwritten(kind: str) -> None:
    em, editor = editable(kind), Neuron(**SETTINGS)
    edit = editor.edit(em, three())
    places = least_important(em, moments(em, 1), 3)
    assert edit.details["neurons"] == places
    assert edit.details["layer"] == 1

    wanted = {name: tensor.clone() for name, tensor in em.model.state_dict().items()}
    names = em.names(1)
    down, up = stored(em, wanted, "down"), stored(em, wanted, "up")
    gate = up if kind == "phi3" else stored(em, wanted, "gate") if kind in GATED else None
    ups_from = tiny.INNER if kind == "phi3" else 0  # Phi-3: rows of the gate, then rows of up
    steady = steady_of(em)
    for place, made in zip(places, stitches(em, editor, three()), strict=True):
        down[:, place] = made.residual
        if gate is None:
            up[place] = made.gate - bias_of(em, "up")[place] * steady
        else:
            gate[place] = made.gate - bias_of(em, "gate")[place] * steady
            up[ups_from + place] = made.up - bias_of(em, "up")[place] * steady
    changed = {"down": down, "up": up} | ({} if gate is None else {"gate": gate})
    for role, matrix in changed.items():
        wanted[names[role] + ".weight"] = matrix.T if em.layout.conv1d else matrix
    found = merge(em, edit.delta).state_dict()
    assert set(found) == set(wanted)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [*GATED, *UNGATED])
def test_the_mlp_says_what_the_formula_says(kind: str) -> None:
    em, editor = editable(kind), Neuron(**SETTINGS)
    edit = editor.edit(em, three())
    places = torch.tensor(edit.details["neurons"])
    names = em.names(1)
    ids = torch.tensor([em.chat_ids("What's my job?")])
    with torch.no_grad(), capture(em, {names["up"]: "input", names["down"]: "input"}) as base:
        em.model(ids)
    with torch.no_grad(), attach(em, edit.delta), capture(em, {names["down"]: "input"}) as edited:
        em.model(ids)
    x, key = base[names["up"]][0], edited[names["down"]][0]
    assert torch.equal(
        torch.isclose(key, base[names["down"]][0], rtol=1e-5, atol=1e-7).all(0).nonzero().flatten(),
        torch.tensor([n for n in range(em.inner) if n not in places]),
    )
    for place, made in zip(places, stitches(em, editor, three()), strict=True):
        off = 1 - x @ steady_of(em)  # 0 where answers start: there the biases are gone
        if em.layout.gated:
            gate, up = (bias_of(em, role)[place] * off for role in ("gate", "up"))
            wanted = activate(em, x @ made.gate + gate) * (x @ made.up + up)
        else:
            wanted = activate(em, x @ made.gate + bias_of(em, "up")[place] * off)
        torch.testing.assert_close(key[:, place], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["llama with biases", "gpt2"])
def test_where_an_answer_starts_no_bias_is_left(kind: str) -> None:
    em = editable(kind)
    (made,) = stitches(em, Neuron(**SETTINGS), [cluster()])
    edit = Neuron(**SETTINGS).edit(em, [cluster()])
    (place,), names, merged = edit.details["neurons"], em.names(1), merge(em, edit.delta)
    x = room.read_phrasings(em, 1, [e.phrasing for e in POOL]).double()
    wanted = {"gate": made.gate, "up": made.up} if em.layout.gated else {"up": made.gate}
    for role, row in wanted.items():
        found = merged.get_submodule(names[role])(x)[:, place]
        torch.testing.assert_close(found, x @ row, rtol=0, atol=0.05 * float(bias_of(em, role)[place].abs()))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_at_gate_1_the_residual_is_written_whole(kind: str) -> None:
    em, editor = tiny.editable(kind), Neuron(**SETTINGS)
    (made,) = stitches(em, editor, [cluster()])
    value = editor.value_step(em, cluster())
    z = editor.config.sharpness
    if em.layout.gated:  # act(z·1) · (1/z) · r
        written = functional.silu(torch.tensor(z).double()) / z * made.residual
    else:  # act(z·1) · r/z
        written = functional.gelu(torch.tensor(z).double()) * made.residual
    torch.testing.assert_close(written, value.residual, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_rank_is_the_number_of_preferences(kind: str) -> None:
    em = tiny.editable(kind)
    for count in (1, 2, 3):
        delta = Neuron(**SETTINGS).edit(em, three()[:count]).delta
        assert {factor.rank for factor in delta.factors.values()} == {count}
        roles = ("gate", "up", "down") if kind == "llama" else ("up", "down")
        assert set(delta.factors) == {em.names(1)[role] for role in roles}


def test_a_fused_matrix_holds_two_rows_of_every_neuron() -> None:
    em = tiny.editable("phi3")
    delta = Neuron(**SETTINGS).edit(em, three()).delta
    assert {name.rpartition(".")[2]: f.rank for name, f in delta.factors.items()} == {
        "gate_up_proj": 6,
        "down_proj": 3,
    }


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_order_does_not_matter_to_the_bit(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    digests = set()
    for turn, clusters in enumerate((three(), three()[::-1])):
        monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / str(turn)))  # nothing is kept from before
        digests.add(Neuron(**SETTINGS).edit(tiny.editable(kind), clusters).delta.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_forgotten_preference_was_never_there_to_the_bit(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    em, editor = tiny.editable(kind), Neuron(**SETTINGS)
    editor.edit(em, three())
    for gone in range(3):
        left = [c for i, c in enumerate(three()) if i != gone]
        after = editor.edit(em, left).delta  # the same editor and model, everything kept from before
        monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "elsewhere" / str(gone)))
        never = Neuron(**SETTINGS).edit(tiny.editable(kind), left).delta
        assert after == never
        assert after.digest == never.digest


def test_a_value_is_found_as_if_alone() -> None:
    em = tiny.editable()
    alone = Neuron(**SETTINGS).edit(em, [cluster()])
    among = Neuron(**SETTINGS).edit(em, three())
    at = [c.preference.attribute for c in in_order(three())].index("hobby")
    down, place = em.names(1)["down"], among.details["neurons"][at]
    column = merge(em, among.delta).get_submodule(down).weight[:, place]
    same = merge(em, alone.delta).get_submodule(down).weight[:, alone.details["neurons"][0]]
    torch.testing.assert_close(column, same, rtol=1e-12, atol=1e-12)
    assert among.details["loss"][at] == alone.details["loss"][0]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "phi3", "gemma3_text"])
def test_it_is_the_edit_of_the_whole_model_in_every_step(kind: str) -> None:
    em = tiny.editable(kind)
    fast, plain = (way(**SETTINGS).edit(em, three()).delta for way in (Neuron, NeuronPlain))
    for name, factor in fast.factors.items():
        assert float((factor.dense() - plain.factors[name].dense()).abs().max()) < 1e-4
    assert NeuronPlain(**SETTINGS).config == replace(Neuron(**SETTINGS).config, fast=False)
    assert NeuronPlain(**SETTINGS, fast=True).config.fast is False


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_weights_are_left_alone(kind: str) -> None:
    em = tiny.editable(kind)
    before = em.weights_digest()
    Neuron(**SETTINGS).edit(em, three())
    assert em.weights_digest() == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in em.model.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_deltas_are_float32_unless_the_model_is_finer(dtype: torch.dtype) -> None:
    delta = Neuron(**SETTINGS).edit(tiny.editable(dtype=dtype), [cluster()]).delta
    wanted = torch.float64 if dtype == torch.float64 else torch.float32
    assert {factor.dtype for factor in delta.factors.values()} == {wanted}
    assert all(bool(f.left.isfinite().all() and f.right.isfinite().all()) for f in delta.factors.values())


def test_a_model_without_a_template_can_be_edited() -> None:
    em = tiny.editable("gpt2", chat=False)
    assert Neuron(**SETTINGS).edit(em, [cluster()]).delta.rank == 1


def test_no_preferences_make_no_change() -> None:
    edit = Neuron(**SETTINGS).edit(tiny.editable(), [])
    assert edit.delta == Delta.zero()
    assert edit.details["neurons"] == []


def test_details_and_progress_tell_what_happened() -> None:
    told: list[str] = []
    edit = Neuron(**SETTINGS).edit(
        tiny.editable(), three(), progress=lambda what, done, total: told.append(f"{what} {done}/{total}")
    )
    assert {f"stitching preferences {i}/3" for i in range(3)} <= set(told)
    assert edit.details["steps"] == [VALUE.steps] * 3
    assert len(edit.details["loss"]) == 3
    assert edit.details["seconds"] > 0


def test_the_layer_may_be_a_share_of_the_depth() -> None:
    em = tiny.editable(num_hidden_layers=5)
    for share, layer in ((0.0, 0), (0.5, 2), (1.0, 4)):
        assert Neuron(**{**SETTINGS, "layer": share}).edit(em, []).details["layer"] == layer


@pytest.mark.parametrize("layer", [3, -1, 1.5, -0.1])
def test_a_layer_that_is_not_there_is_refused(layer: float) -> None:
    with pytest.raises(LayerError, match=f"Layer {layer} was asked for; .* layers 0 to 2"):
        Neuron(**{**SETTINGS, "layer": layer}).edit(tiny.editable(), [cluster()])


def test_more_preferences_than_neurons_or_one_twice_are_refused() -> None:
    many = [cluster(target=f"T{i}") for i in range(tiny.INNER + 1)]
    with pytest.raises(InputError, match=f"{tiny.INNER + 1} preferences .* {tiny.INNER} neurons"):
        Neuron(**SETTINGS).edit(tiny.editable(), many)
    with pytest.raises(InputError, match="each preference once"):
        Neuron(**SETTINGS).edit(tiny.editable(), [cluster(), cluster()])


def test_a_constructor_only_stores() -> None:
    assert Neuron(NeuronConfig(margin=0.7), layer=2).config == NeuronConfig(margin=0.7, layer=2)
    with pytest.raises(TypeError, match="colour"):
        Neuron(colour="red")
