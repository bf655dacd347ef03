"""Activations are read and replaced for the length of a `with`, and for no longer."""

import pytest
import torch

from monogram.errors import LayerError, ModelError
from monogram.models.trace import capture, replaced
from tests import tiny

IDS = torch.arange(5, 17)[None]
DOWN = "model.layers.1.mlp.down_proj"


def hooks(model: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_inputs_and_outputs_are_what_the_module_saw() -> None:
    em = tiny.editable()
    with capture(em, {DOWN: "input", "model.layers.1.mlp": "output"}) as seen:
        em.model(IDS)
    torch.testing.assert_close(seen[DOWN] @ em.matrix("down", 1).T, seen["model.layers.1.mlp"])
    assert seen[DOWN].shape == (1, 12, tiny.INNER)


@pytest.mark.parametrize("kind", tiny.TABLE)
def test_a_whole_layer_can_be_read(kind: str) -> None:
    em = tiny.editable(kind)
    layer = em.names(1)["layer"]
    with capture(em, {layer: "output"}) as out, torch.no_grad():
        em.model(IDS)
    with capture(em, {em.names(2)["layer"]: "input"}) as into, torch.no_grad():
        em.model(IDS)
    assert torch.equal(out[layer], into[em.names(2)["layer"]])


def test_the_forward_pass_stops_once_all_is_seen() -> None:
    model = tiny.model()
    ran = []
    handle = model.model.layers[2].register_forward_hook(lambda *_: ran.append(2))
    with capture(model, {DOWN: "input"}, stop=True):
        model(IDS)
    assert ran == []
    with capture(model, {DOWN: "input"}, stop=False):
        model(IDS)
    assert ran == [2]
    handle.remove()


def test_a_replaced_output_changes_what_follows_and_only_inside() -> None:
    model = tiny.model()
    before = model(IDS).logits
    with replaced(model, DOWN, lambda y: y + 1.0):
        inside = model(IDS).logits
    assert not torch.allclose(before, inside)
    assert torch.equal(before, model(IDS).logits)


def test_a_replaced_input_is_what_the_module_computes_from() -> None:
    model = tiny.model()
    with replaced(model, DOWN, torch.zeros_like, side="input"), capture(model, {DOWN: "output"}) as seen:
        model(IDS)
    assert not seen[DOWN].any()


def test_gradients_flow_through_a_replacement() -> None:
    model = tiny.model()
    residual = torch.zeros(tiny.WIDTH, dtype=torch.float64, requires_grad=True)
    with replaced(model, DOWN, lambda y: y + residual):
        model(IDS).logits.sum().backward()
    assert residual.grad is not None
    assert residual.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["model.layers.9.mlp", "nothing"])
def test_a_module_that_is_not_there_fails_loudly(name: str) -> None:
    model = tiny.model()
    with pytest.raises(LayerError, match=name), capture(model, {DOWN: "input", name: "output"}):
        model(IDS)
    with pytest.raises(LayerError, match=name), replaced(model, name, lambda y: y):
        model(IDS)
    assert hooks(model) == 0


def test_a_module_that_never_ran_fails_loudly() -> None:
    model = tiny.model()
    with pytest.raises(ModelError, match="did not run"), capture(model, {DOWN: "input"}):
        pass
    with pytest.raises(ModelError, match="did not run"), replaced(model, DOWN, lambda y: y):
        pass


def test_hooks_come_off_when_the_forward_pass_fails() -> None:
    model = tiny.model()

    def broken(_: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        capture(model, {DOWN: "input"}, stop=False),
        replaced(model, DOWN, broken),
    ):
        model(IDS)
    assert hooks(model) == 0
