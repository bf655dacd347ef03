"""The oracle is the model: each row as if alone, unpadded."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from monogram.errors import InputError
from monogram.models.plain import Plain
from monogram.models.trace import replaced
from tests import tiny
from tests.placed import placed

PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12], [20, 21, 22], [40]]
ANSWERS = [[13, 14], [23, 24, 25, 26], [41, 42, 43]]


def made(em: Any, **more: Any) -> Plain:
    layers = em.module(em.layout.layers)
    assert isinstance(layers, nn.ModuleList)
    return Plain(em.model, layers, em.module(em.names(1)["down"]), 1, PROMPTS, ANSWERS, **more)


@pytest.mark.parametrize("kind", [*tiny.TABLE, *tiny.STRUCTURAL])
def test_its_logits_are_those_of_each_row_alone(kind: str) -> None:
    em = tiny.editable(kind)
    r = torch.randn(em.width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gates = torch.tensor([1.0, 0.3, 0.0], dtype=torch.float64)
    plain = made(em)
    with torch.no_grad():
        found = placed(plain, r, gates)
    near = 1e-10 if kind == "gpt2" else 1e-5  # the others take a softmax or a norm in float32
    for b, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):

        def added(y: Tensor, at: int = len(prompt) - 1, gate: Tensor = gates[b]) -> Tensor:
            here = torch.zeros(y.shape[1], 1, dtype=torch.float64)
            here[at] = gate
            return (y + here * r).to(y.dtype)

        with torch.no_grad(), replaced(em, em.names(1)["down"], added):
            alone = em.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        torch.testing.assert_close(found[b, : len(answer)], alone, rtol=near, atol=near)


@pytest.mark.parametrize("kind", ["gemma2", "llama", "gptj", "gpt_neox"])
def test_eager_attention_in_float64_is_no_trouble(kind: str) -> None:
    """There transformers makes NaN of a mask's empty row; gradients are those of each row alone."""
    em = tiny.editable(kind)
    em.model.set_attn_implementation("eager")
    r = torch.randn(em.width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, alone = r.clone().requires_grad_(), r.clone().requires_grad_()
    plain = made(em)
    logits = placed(plain, found)
    cross_entropy(logits.flatten(0, 1), plain.labels.flatten(), reduction="sum").backward()
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):

        def added(y: Tensor, at: int = len(prompt) - 1) -> Tensor:
            return torch.cat([y[:, :at], y[:, at : at + 1] + alone, y[:, at + 1 :]], 1)

        with replaced(em, em.names(1)["down"], added):
            said = em.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        cross_entropy(said, torch.tensor(answer), reduction="sum").backward()
    assert found.grad is not None
    assert alone.grad is not None
    assert bool(logits.isfinite().all())
    torch.testing.assert_close(found.grad, alone.grad, rtol=1e-5, atol=1e-5)


def test_labels_are_the_answers_without_what_is_the_prompts() -> None:
    assert made(tiny.editable(), context=[1, 2, 0]).labels.tolist() == [
        [-100, 14, -100, -100],
        [-100, -100, 25, 26],
        [41, 42, 43, -100],
    ]


def test_without_a_residual_it_is_the_base_model() -> None:
    em = tiny.editable()
    plain = made(em)
    with torch.no_grad():
        assert torch.equal(placed(plain), placed(plain, torch.zeros(em.width, dtype=torch.float64)))
    assert not em.module(em.names(1)["down"])._forward_hooks


def test_it_refuses_what_the_fast_path_refuses() -> None:
    with pytest.raises(InputError, match="context"):
        made(tiny.editable(), context=[2, 0, 0])
