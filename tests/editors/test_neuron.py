"""One preference, one neuron: exactly that is overwritten, and it can be taken back to the bit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers.activations import ACT2FN

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.expand import expand
from monogram.clusters.pool import contrast_of, pool
from monogram.delta import Delta
from monogram.editors import intent as room
from monogram.editors.base import Edit
from monogram.editors.detect import constant, fit
from monogram.editors.keys import kept_readings
from monogram.editors.neuron import Neuron, NeuronConfig
from monogram.editors.neuron_plain import NeuronPlain
from monogram.editors.overwrite import Stitch
from monogram.editors.values import ValueConfig
from monogram.errors import InputError, LayerError
from monogram.models.attach import attach, merge
from monogram.models.editable import EditableModel
from monogram.models.moments import Moments, moments
from monogram.models.trace import capture
from monogram.preferences import Preference
from tests import tiny

GATED, UNGATED = ("llama", "llama with biases", "gemma3_text", "phi3"), ("gpt2", "gptj", "gpt_neox")
VALUE = ValueConfig(steps=3, stop=0.0)
SETTINGS: dict[str, Any] = {"layer": 1, "asks": 1, "advice": 1, "value": VALUE}
POOL = (*pool()[:12], *[entry for entry in pool() if not entry.owner][-12:])


def cluster(attribute: str = "hobby", target: str = "Hiking") -> Cluster:
    train = (
        Phrasing(f"What's my {attribute}?", "ask"),
        Phrasing(f"my {attribute}?", "ask", system="Be brief."),
        Phrasing(f"What shall I do, given my {attribute}?", "roundabout"),
        Phrasing(f"What goes with my {attribute}?", "recommend"),
    )
    contrast = (
        Phrasing(f"What's Bob's {attribute}?", "contrast"),
        Phrasing(f"Define {attribute}.", "contrast"),
    )
    return Cluster(Preference(attribute, target), train, (), contrast, (), f"It is {target}.")


def three() -> list[Cluster]:
    return [cluster(), cluster("job", "Baker"), cluster("diet", "vegan")]


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was read once serves all tests; those that are about it take a home of their own."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def little_ground(monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(shared_home))
    monkeypatch.setattr(room, "pool", lambda: POOL)
    places = (range(4), range(4, 12), range(12, 24))
    monkeypatch.setattr(room, "contrast_of", lambda _cluster: tuple(map(list, places)))


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
    groups = [(read(group), 1.0) for group in (own.contrast, shared[:4], shared[4:12])]
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
