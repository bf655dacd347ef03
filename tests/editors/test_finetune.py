"""Fine-tuning of one matrix against plain training steps on a copy of the whole model, in float64."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from monogram.editors.finetune import FineTune, FineTuneMasked, full_rank
from monogram.editors.lines import lines_of, opening
from monogram.errors import LayerError
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from tests import tiny
from tests.editors.clusters import cluster

KINDS = ("llama", "qwen3", "gemma3_text", "olmo2", "gpt2", "gptj")
SETTINGS: dict[str, Any] = {"layer": 1, "steps": 3, "asks": 2}
ROUNDING = {"gptj": 1e-8}
"""Of steps of 5e-4; 1e-10 of other kinds. GPT-J's attention is float32 in a float64 model, too, and Adam's
step is a gradient over its own size: rounding counts where that is next to nothing (4e-9 on one processor).
"""


def trained_plainly(em: EditableModel, *, bound: float | None, at_once: bool) -> Tensor:
    """W after − W before, (d_out, d_in): the copy's own weight is a parameter, rows run one by one."""
    whole = copy.deepcopy(em.model)
    module = whole.get_submodule(em.names(1)["down"])
    weight = module.weight.requires_grad_(True)
    before = weight.detach().clone()
    lines = lines_of(em, cluster(), 2, 0)
    bare = opening(em, cluster().preference.target)
    adam = torch.optim.Adam([weight], lr=5e-4)
    for _ in range(3):
        loss = torch.zeros((), dtype=torch.float64)
        for prompt, answer, weights in zip(lines.prompts, lines.answers, lines.weights, strict=True):
            if at_once:
                said = whole(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
                loss = loss - said[bare].mean() / 2
                continue
            said = whole(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            for t, token in enumerate(answer):
                loss = loss - weights[t] * said[len(prompt) - 1 + t, token] / 2
        adam.zero_grad()
        loss.backward()
        adam.step()
        if bound is not None:
            with torch.no_grad():
                weight.copy_(torch.minimum(torch.maximum(weight, before - bound), before + bound))
    change = weight.detach() - before
    return change.T if isinstance(module, Conv1D) else change


@pytest.mark.parametrize("kind", KINDS)
def test_its_steps_are_plain_training_steps_on_the_whole_model(kind: str) -> None:
    em = tiny.editable(kind)
    delta = FineTuneMasked(**SETTINGS).edit(em, [cluster()]).delta
    (factor,) = delta.factors.values()
    assert float(
        (factor.dense() - trained_plainly(em, bound=None, at_once=False)).abs().max()
    ) < ROUNDING.get(kind, 1e-10)
    assert float(factor.dense().abs().max()) > 1e-3


@pytest.mark.parametrize(("bound", "at_once"), [(6e-4, False), (None, True)])
def test_so_are_those_with_a_bound_and_those_of_the_last_token_alone(
    bound: float | None, at_once: bool
) -> None:
    em = tiny.editable()
    loss = "at-once" if at_once else "answer"
    (factor,) = FineTune(**SETTINGS, bound=bound, loss=loss).edit(em, [cluster()]).delta.factors.values()
    plain = trained_plainly(em, bound=bound, at_once=at_once)
    assert float((factor.dense() - plain).abs().max()) < 1e-10


def test_the_bound_is_kept_to_the_bit_and_reached() -> None:
    em = tiny.editable(dtype=torch.float32)
    (factor,) = FineTune(**SETTINGS, bound=7e-4).edit(em, [cluster()]).delta.factors.values()
    assert float(factor.dense().abs().max()) == float(torch.tensor(7e-4))
    assert FineTuneMasked().config.bound is None
    assert FineTune().config.bound == 5e-4


def test_the_answer_becomes_likelier() -> None:
    em = tiny.editable()
    edit = FineTuneMasked(**(SETTINGS | {"steps": 20, "lr": 5e-3})).edit(em, [cluster()])
    lines = lines_of(em, cluster(), 2, 0)
    row, answer = torch.tensor([lines.prompts[0] + lines.answers[0]]), torch.tensor(lines.answers[0])

    def likelihood() -> float:
        with torch.no_grad():
            told = em.model(row).logits[0, -len(answer) - 1 : -1].log_softmax(-1)
        return float(told.gather(1, answer[:, None]).mean())

    plain = likelihood()
    with attach(em, edit.delta):
        assert likelihood() > plain + 1


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_factors_of_full_rank_are_the_matrix_to_the_bit(shape: tuple[int, int]) -> None:
    change = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(full_rank(change).dense(), change)
    assert full_rank(change).rank == min(shape)


def test_a_layer_that_is_not_there_is_said() -> None:
    with pytest.raises(LayerError, match="Layer 3"):
        FineTune(layer=3).edit(tiny.editable(), [cluster()])
