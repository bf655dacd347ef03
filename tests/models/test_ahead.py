"""The next token under a delta is what the whole model says of each prompt alone; little is run for it."""

from typing import Any

import pytest
import torch

from monogram.delta import Delta
from monogram.errors import InputError
from monogram.models.ahead import Ahead
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from tests import tiny
from tests.models.test_attach import delta_for
from tests.models.test_prefix import FLOAT32_SOFTMAX, KINDS, START, rows

PROMPTS = {"apart": rows([9, 1, 30, 4]), "common": rows([9, 1, 30, 4], start=START), "same": [[7, 8]] * 70}


def on(em: EditableModel, layer: int) -> Delta:
    """A delta of that layer and those above."""
    return delta_for(em, 3, layers=range(layer, tiny.LAYERS))


def alone(em: EditableModel, row: list[int], delta: Delta | None) -> torch.Tensor:
    with attach(em, delta), torch.no_grad():
        found: torch.Tensor = em.model(torch.tensor([row])).logits[0, -1].double().log_softmax(-1)
    return found


@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_whole_model_says_of_each_prompt_alone(kind: str, prompts: str) -> None:
    em, told = tiny.editable(kind), PROMPTS[prompts]
    ahead, bound = Ahead(em, told), 1e-6 if kind in FLOAT32_SOFTMAX else 1e-10
    for delta in (None, delta_for(em, 1), None, delta_for(em, 2)):
        found = ahead.logprobs(delta)
        assert found.shape == (len(told), em.model.config.vocab_size)
        for row, logprobs in zip(told[:4], found, strict=False):
            torch.testing.assert_close(logprobs, alone(em, row, delta), rtol=0, atol=bound)


@pytest.mark.parametrize("layer", range(tiny.LAYERS))
def test_layers_below_the_edited_one_run_once(layer: int) -> None:
    em = tiny.editable()
    ahead, ran = Ahead(em, PROMPTS["common"], batch_size=3), list[tuple[int, int]]()
    for i, block in enumerate(em.model.model.layers):
        block.mlp.register_forward_hook(lambda _m, args, _o, i=i: ran.append((i, args[0].shape[1])))
    found = [ahead.logprobs(on(em, layer)) for _ in range(2)][1]
    passes = [40, 9, 30]
    ran = ran[-len(passes) * (tiny.LAYERS - layer) :]
    assert ran == [(i, tokens) for tokens in passes for i in range(layer, tiny.LAYERS)]
    for row, logprobs in zip(PROMPTS["common"], found, strict=True):
        torch.testing.assert_close(logprobs, alone(em, row, on(em, layer)), rtol=0, atol=1e-10)


def test_a_change_outside_the_layers_runs_all_of_them() -> None:
    em = tiny.editable()
    (factor,) = on(em, tiny.LAYERS - 1).factors.values()
    assert Ahead(em, PROMPTS["apart"])._lowest(Delta({"lm_head": factor})) == 0


def test_no_prompts_have_no_next_token_and_an_empty_one_is_refused() -> None:
    em: Any = tiny.editable()
    assert len(Ahead(em, []).logprobs()) == 0
    with pytest.raises(InputError, match="without a token"):
        Ahead(em, [[5], []])
