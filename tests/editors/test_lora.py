"""LoRA through `peft`: the delta is what peft itself would merge, in the places that are meant."""

from typing import Any

import pytest
import torch
from peft import LoraConfig as Peft

from monogram.editors import adapters as room
from monogram.editors.adapters import attention, on, orthogonality
from monogram.editors.finetune import FineTune
from monogram.editors.lora import AdaLora, Lora
from monogram.editors.lora_neuron import LoraNeuron
from monogram.errors import InputError, UnsupportedModelError
from monogram.models.attach import attach, merge
from tests import tiny
from tests.editors.clusters import cluster

KINDS = ("llama", "qwen3", "gemma3_text", "olmo2", "gpt2", "gptj")
IDS = torch.tensor([[5, 6, 7, 8, 9]])


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """What peft says that each layer adds, at the moment when the delta is read off."""
    seen: dict[str, torch.Tensor] = {}
    plain = room.Adapters.delta

    def delta(self: room.Adapters) -> Any:
        for name, layer in self.layers():
            base = layer.base_layer.weight.clone()
            layer.merge()
            after = layer.base_layer.weight.clone()
            layer.unmerge()
            layer.base_layer.weight.data.copy_(base)
            seen[name] = (after - base).detach()
        return plain(self)

    monkeypatch.setattr(room.Adapters, "delta", delta)
    return seen


@pytest.mark.parametrize("editor", [Lora, AdaLora, LoraNeuron])
@pytest.mark.parametrize("kind", KINDS)
def test_the_delta_is_what_peft_merges(kind: str, editor: type[Any], merged: dict[str, torch.Tensor]) -> None:
    em = tiny.editable(kind)
    small = {"steps": 4, "asks": 1} | ({"layer": 1, "advice": 1, "still": 3} if editor is LoraNeuron else {})
    delta = editor(**small).edit(em, [cluster()]).delta
    assert set(merged) == set(delta.factors)
    for name, factor in delta.factors.items():
        change = merged[name].T if em.layout.conv1d else merged[name]
        assert float((factor.dense() - change).abs().max()) < 1e-10
    assert delta.norm() > 1e-3


def test_lora_is_on_queries_and_values_of_every_layer() -> None:
    em = tiny.editable()
    delta = Lora(steps=1, asks=1, rank=4).edit(em, [cluster()]).delta
    places = [f"model.layers.{i}.self_attn.{part}_proj" for i in range(tiny.LAYERS) for part in "qv"]
    assert list(delta.factors) == places
    assert {factor.rank for factor in delta.factors.values()} == {4}
    assert attention(tiny.editable("gpt2")) == [f"transformer.h.{i}.attn.c_attn" for i in range(tiny.LAYERS)]


def test_lora_neuron_is_in_the_flagships_three_matrices_at_a_rank_for_each_preference() -> None:
    em = tiny.editable()
    ready = LoraNeuron(layer=1, steps=1, asks=1, advice=1, still=3)
    delta = ready.edit(em, [cluster(), cluster("job", "Baker")]).delta
    assert set(delta.factors) == {em.names(1)[role] for role in ("gate", "up", "down")}
    assert {factor.rank for factor in delta.factors.values()} == {2}


def test_adalora_ends_at_its_budget() -> None:
    em = tiny.editable()
    delta = AdaLora(steps=20, asks=1, rank=4).edit(em, [cluster()]).delta
    ranks = [factor.rank for factor in delta.factors.values()]
    assert sum(ranks) == 4 * len(attention(em))
    assert max(ranks) <= 6


def test_what_shall_stay_drifts_less_where_it_counts_more() -> None:
    em = tiny.editable()
    settings: dict[str, Any] = {"layer": 1, "steps": 6, "lr": 0.05, "asks": 1, "advice": 1, "still": 6}
    chats = [[{"role": "user", "content": text}] for text in ("What's Bob's hobby?", "Define hobby.")]
    moved = []
    for kl in (0.0, 20.0):
        delta = LoraNeuron(**settings, kl=kl).edit(em, [cluster()]).delta
        total = 0.0
        for chat in chats:
            ids = torch.tensor([em.chat_ids(chat)])
            with torch.no_grad():
                base = em.model(ids).logits[0, -1].log_softmax(-1)
                with attach(em, delta):
                    now = em.model(ids).logits[0, -1].log_softmax(-1)
            total += float((base.exp() * (base - now)).sum())
        moved.append(total)
    assert moved[1] < 0.5 * moved[0]


def test_merged_and_attached_are_the_same_model() -> None:
    em = tiny.editable("gpt2")
    delta = Lora(steps=2, asks=1).edit(em, [cluster()]).delta
    with torch.no_grad(), attach(em, delta):
        attached = em.model(IDS).logits
    with torch.no_grad():
        assert torch.allclose(merge(em, delta)(IDS).logits, attached, atol=1e-9)


def test_only_the_adapters_own_dropout_is_on_while_it_trains() -> None:
    em = tiny.editable("gpt2")
    made = Peft(r=2, lora_dropout=0.5, target_modules=attention(em), fan_in_fan_out=True)
    with on(em, made, 0) as adapters:
        drops = {n for n, m in em.model.named_modules() if isinstance(m, torch.nn.Dropout) and m.training}
        assert drops
        assert all("lora_dropout" in name for name in drops)
        assert all(p.requires_grad for p in adapters.parameters)
        assert len(adapters.parameters) == 2 * tiny.LAYERS


def test_orthogonality_is_pefts_own() -> None:
    em = tiny.editable()
    peft = room.library()
    made = peft.AdaLoraConfig(init_r=3, total_step=10, target_modules=attention(em), orth_reg_weight=0.5)
    with on(em, made, 0) as adapters, torch.no_grad():
        told = adapters.tuner(IDS, labels=IDS).loss - em.model(IDS, labels=IDS).loss  # losses are float32
        assert 0.5 * float(orthogonality(list(adapters.layers()))) == pytest.approx(float(told), rel=1e-5)


def test_without_peft_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(InputError, match=r"pip install 'monogram\[bench\]'"):
        Lora(steps=1).edit(tiny.editable(), [cluster()])
    FineTune(steps=1, asks=1).edit(tiny.editable(), [cluster()])  # needs none


def test_attention_of_other_names_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ATTENTION", (("queries", "values"),))
    with pytest.raises(
        UnsupportedModelError, match="no attention whose queries and values are made by queries"
    ):
        attention(tiny.editable())
