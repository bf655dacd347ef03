"""The layout of every model type is known, found, or refused."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, Gemma3Config
from transformers.activations import ACT2FN

from monogram.errors import UnsupportedModelError
from monogram.models.layout import TABLE, layout_of, sizes
from monogram.models.trace import capture
from tests import tiny

KNOWN = (*tiny.TABLE, *tiny.STRUCTURAL)


def test_the_table_is_covered_by_tiny_models() -> None:
    assert set(TABLE) == {*tiny.TABLE, "gemma3"}


@pytest.mark.parametrize("kind", tiny.TABLE)
def test_a_type_of_the_table_gets_its_layout(kind: str) -> None:
    assert layout_of(tiny.model(kind)) == TABLE[kind]


@pytest.mark.parametrize("kind", KNOWN)
def test_every_named_module_is_there_with_the_shape_of_its_role(kind: str) -> None:
    model = tiny.model(kind)
    layout = layout_of(model)
    for layer in range(tiny.LAYERS):
        names = layout.module_names(layer)
        inner_rows = 2 * tiny.INNER if layout.fused_gate else tiny.INNER
        assert sizes(model.get_submodule(names["down"])) == (tiny.WIDTH, tiny.INNER)
        assert sizes(model.get_submodule(names["up"])) == (inner_rows, tiny.WIDTH)
        assert ("gate" in names) == layout.gated
        if layout.gated:
            assert sizes(model.get_submodule(names["gate"])) == (inner_rows, tiny.WIDTH)


@pytest.mark.parametrize("kind", KNOWN)
def test_the_roles_compute_what_the_mlp_computes(kind: str) -> None:
    """down(act(gate x) * up x), or down(act(up x)): recomputed from the matrices, it is the MLP's output."""
    em = tiny.editable(kind)
    names = em.names(1)
    seen: dict[str, torch.Tensor]
    with capture(em, {names["mlp"]: "output", names["down"]: "input"}, stop=True) as mlp:
        em.model(torch.arange(5, 25)[None])
    with capture(em, {names["up"]: "input"}) as seen:
        em.model(torch.arange(5, 25)[None])
    config = em.model.config
    act = ACT2FN[
        getattr(config, "hidden_act", None)
        or getattr(config, "hidden_activation", None)
        or config.activation_function
    ]
    if em.model.config.model_type.startswith("gemma"):
        act = ACT2FN["gelu_pytorch_tanh"]
    x = seen[names["up"]]
    up = x @ em.matrix("up", 1).T + (_bias(em.module(names["up"])))
    neurons = act(x @ em.matrix("gate", 1).T) * up if em.layout.gated else act(up)
    torch.testing.assert_close(neurons, mlp[names["down"]], rtol=0, atol=1e-12)
    out = neurons @ em.matrix("down", 1).T + _bias(em.module(names["down"]))
    torch.testing.assert_close(out, mlp[names["mlp"]], rtol=0, atol=1e-12)


def _bias(module: nn.Module) -> Any:
    bias = getattr(module, "bias", None)
    return 0.0 if bias is None or bias.numel() != sizes(module)[0] else bias


@pytest.mark.parametrize("kind", ["gemma2", "gemma3_text", "olmo2"])
def test_a_norm_after_the_mlp_is_named(kind: str) -> None:
    model = tiny.model(kind)
    assert isinstance(model.get_submodule(layout_of(model).module_names(0)["post_norm"]), nn.Module)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "phi3", "stablelm"])
def test_no_norm_after_the_mlp_is_made_up(kind: str) -> None:
    assert layout_of(tiny.model(kind)).post_norm is None


def test_the_text_part_of_a_gemma_3_that_sees_is_found() -> None:
    text = tiny.SETTINGS["gemma3_text"] | {"vocab_size": tiny.VOCAB, "pad_token_id": 0}
    vision = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = Gemma3Config(text_config=text, vision_config=vision | {"image_size": 28, "patch_size": 14})
    model = AutoModelForCausalLM.from_config(config)
    layout = layout_of(model)
    assert layout.layers == "model.language_model.layers"
    assert sizes(model.get_submodule(layout.module_names(2)["down"])) == (tiny.WIDTH, tiny.INNER)


@pytest.mark.parametrize("kind", tiny.EXPERTS)
def test_a_mixture_of_experts_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedModelError, match="mixture of experts"):
        layout_of(tiny.model(kind))


def test_a_type_outside_the_table_is_found_structurally_with_the_same_result_as_the_table() -> None:
    for kind in ("llama", "olmo2", "phi3", "gpt2", "gptj", "gpt_neox", "gemma2"):
        model = tiny.model(kind)
        model.config.model_type = "unheard-of"
        assert layout_of(model) == TABLE[kind]


def test_where_inner_and_width_are_equal_names_decide() -> None:
    model = tiny.model("stablelm", intermediate_size=tiny.WIDTH)
    layout = layout_of(model)
    assert (layout.down, layout.up, layout.gate) == ("down_proj", "up_proj", "gate_proj")


def test_what_holds_no_mlp_is_refused_and_the_known_types_are_named() -> None:
    model: Any = nn.Module()
    model.config = SimpleNamespace(model_type="odd", get_text_config=lambda: SimpleNamespace(hidden_size=4))
    model.layers = nn.ModuleList([nn.Linear(4, 4)])
    with pytest.raises(UnsupportedModelError, match=r"'odd' is not in the table, and no MLP .* llama"):
        layout_of(model)
