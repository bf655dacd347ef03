"""The fast path of the value step is the plain forward pass: values, gradients, and the model as it was.

The plain pass is one row at a time, without a cache, without padding. Two families take their softmax in
float32, whatever the model's type, so those agree to float32's rounding, the others to float64's.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from monogram.errors import InputError, LayerError
from monogram.models.layout import layout_of
from monogram.models.plain import Plain
from monogram.models.tail import Tail
from tests import tiny
from tests.placed import placed

KINDS = (*tiny.TABLE, "stablelm")
FLOAT32_SOFTMAX = ("gemma2", "gptj")
LENGTHS, SAID = [9, 1, 17, 4], [3, 5, 1, 4]  # some longer than the window of 6, one of one token
GATES = torch.tensor([1.0, 0.3, 0.7, 1.2], dtype=torch.float64)


def rows(lengths: Sequence[int], *, seed: int = 0, start: Sequence[int] = ()) -> list[list[int]]:
    rng = torch.Generator().manual_seed(seed)
    return [[*start, *torch.randint(5, tiny.VOCAB, (n,), generator=rng).tolist()] for n in lengths]


PROMPTS, ANSWERS = rows(LENGTHS), rows(SAID, seed=1)


def parts(model: Any, layer: int) -> tuple[nn.ModuleList, nn.Module]:
    layout = layout_of(model)
    return model.get_submodule(layout.layers), model.get_submodule(layout.module_names(layer)["down"])


def tail_of(
    model: Any, layer: int, prompts: Any = PROMPTS, answers: Any = ANSWERS, *, context: Any = None
) -> Tail:
    layers, writer = parts(model, layer) if 0 <= layer < tiny.LAYERS else (parts(model, 0)[0], nn.Identity())
    return Tail(model, layers, writer, layer, prompts, answers, context=context)


def plain(
    model: Any, layer: int, prompt: Sequence[int], answer: Sequence[int], residual: Tensor | None
) -> Tensor:
    """Logits that predict the answer, from the whole model on one row."""
    at = len(prompt) - 1

    def add(_module: nn.Module, _args: Any, out: Tensor) -> Tensor:
        here = torch.zeros(out.shape[1], 1, dtype=out.dtype)
        here[at] = 1
        return out if residual is None else out + here * residual.to(out.dtype)

    handle = parts(model, layer)[1].register_forward_hook(add)
    try:
        logits: Tensor = model(torch.tensor([[*prompt, *answer[:-1]]]), use_cache=False).logits[0, at:]
    finally:
        handle.remove()
    return logits


def a_residual(seed: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(tiny.WIDTH, generator=rng, dtype=torch.float64).requires_grad_()


def both(model: Any, layer: int, prompts: Any = PROMPTS, answers: Any = ANSWERS) -> tuple[float, float]:
    """Largest differences of logits and of the loss's gradient, in parts of the largest entry."""
    gates = GATES[: len(prompts)]
    fast, slow = a_residual(), a_residual()
    tail = tail_of(model, layer, prompts, answers)
    logits = placed(tail, fast, gates)
    cross_entropy(logits.flatten(0, 1), tail.labels.flatten(), reduction="sum").backward()
    away, loss, largest = 0.0, torch.zeros((), dtype=torch.float64), 0.0
    for b, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        expected = plain(model, layer, prompt, answer, slow * gates[b])
        away = max(away, float((logits[b, : len(answer)] - expected).detach().abs().max()))
        largest = max(largest, float(expected.detach().abs().max()))
        loss = loss + cross_entropy(expected, torch.tensor(answer), reduction="sum").double()
    loss.backward()
    assert fast.grad is not None
    assert slow.grad is not None
    assert slow.grad.abs().max() > 1e-3  # there is something to agree about
    return away / largest, float((fast.grad - slow.grad).abs().max() / slow.grad.abs().max())


def own_forwards(model: Any) -> list[str]:
    return [name for name, module in model.named_modules() if "forward" in module.__dict__]


def hooks(model: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("layer", range(tiny.LAYERS))
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_plain_pass(kind: str, layer: int) -> None:
    values, gradients = both(tiny.model(kind), layer)
    bound = 1e-6 if kind in FLOAT32_SOFTMAX else 1e-12
    assert values < bound
    assert gradients < bound


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gemma3_text", "mistral", "gpt_neox"])
def test_eager_attention_in_float64_survives_padding(kind: str) -> None:
    """There transformers makes NaN of a mask's empty row; none may come about."""
    model = tiny.model(kind)
    model.set_attn_implementation("eager")
    assert max(both(model, 1)) < 1e-6


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2"])
def test_float32_agrees_to_its_own_rounding(kind: str) -> None:
    assert max(both(tiny.model(kind, dtype=torch.float32), 1)) < 1e-5


def test_prompts_that_are_all_the_same_run_as_one() -> None:
    assert max(both(tiny.model("gemma3_text"), 1, rows([70]) * 4)) < 1e-12


@pytest.mark.parametrize("prompts", [rows([1] * 4), rows([12] * 4), [*rows([20]), *rows([1] * 3)]])
def test_prompts_of_one_token_and_of_one_length(prompts: list[list[int]]) -> None:
    for layer in range(tiny.LAYERS):
        assert max(both(tiny.model("mistral"), layer, prompts)) < 1e-12


def test_a_pair_alone_gives_what_it_gives_among_others() -> None:
    model, residual = tiny.model("gemma3_text"), a_residual()
    among = placed(tail_of(model, 1), residual, GATES)
    for b in range(4):
        alone = placed(tail_of(model, 1, PROMPTS[b : b + 1], ANSWERS[b : b + 1]), residual, GATES[b : b + 1])
        torch.testing.assert_close(among[b, : SAID[b]], alone[0], rtol=0, atol=1e-12)


def test_every_row_can_have_a_residual_of_its_own() -> None:
    model = tiny.model()
    residuals = torch.stack([a_residual(seed) for seed in range(4)]).detach()
    logits = placed(tail_of(model, 1), residuals)
    for b in range(4):
        expected = plain(model, 1, PROMPTS[b], ANSWERS[b], residuals[b])
        torch.testing.assert_close(logits[b, : SAID[b]], expected, rtol=0, atol=1e-12)


def test_without_a_residual_it_is_the_base_model_and_asking_twice_changes_nothing() -> None:
    model = tiny.model("gemma2")
    tail = tail_of(model, 2)
    first = placed(tail)
    placed(tail, a_residual()).sum().backward()
    assert torch.equal(first, placed(tail))
    torch.testing.assert_close(first[2, :1], plain(model, 2, PROMPTS[2], ANSWERS[2], None), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2"])
def test_the_lookup_position_may_lie_inside_the_prompt(kind: str) -> None:
    """The tokens between it and the answer are run but not scored."""
    model, residual = tiny.model(kind), a_residual()
    rest = rows([2, 4, 3, 2], seed=7)
    said = [r + a for r, a in zip(rest, ANSWERS, strict=True)]
    context = [len(r) for r in rest]
    scored = tail_of(model, 1, PROMPTS, said, context=context)
    everything = placed(tail_of(model, 1, PROMPTS, said), residual)
    logits = placed(scored, residual)
    assert logits.shape == everything.shape
    assert not logits[scored.labels == -100].any()
    for b, skip in enumerate(context):
        assert scored.labels[b, :skip].eq(-100).all()
        assert scored.labels[b, skip : len(said[b])].tolist() == ANSWERS[b]
        expected = plain(model, 1, PROMPTS[b], said[b], residual)[skip:]
        torch.testing.assert_close(logits[b, skip : len(said[b])], expected, rtol=0, atol=1e-5)
    where = scored.labels != -100
    torch.testing.assert_close(logits[where], everything[where], rtol=0, atol=1e-12)


def test_labels_are_the_answers() -> None:
    labels = tail_of(tiny.model(), 1).labels
    assert labels.shape == (4, 5)
    assert [[t for t in row if t != -100] for row in labels.tolist()] == ANSWERS


def test_the_lookup_position_is_where_the_tail_says() -> None:
    model, seen = tiny.model(), []
    tail = tail_of(model, 1)
    handle = parts(model, 1)[1].register_forward_hook(lambda _m, _a, out: seen.append(out))
    before, after = placed(tail), placed(tail, a_residual())
    handle.remove()
    assert not torch.allclose(before[:, 0], after[:, 0])
    with torch.no_grad():
        wrote: list[Tensor] = []
        handle = parts(model, 1)[1].register_forward_hook(lambda _m, _a, out: wrote.append(out[0, -1]))
        model(torch.tensor([PROMPTS[2]]))
        handle.remove()
    torch.testing.assert_close(seen[0][2, tail.at], wrote[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_as_it_was(kind: str) -> None:
    em = tiny.editable(kind)
    before = em.weights_digest()
    tail = tail_of(em.model, 2)
    assert hooks(em.model) == 0
    placed(tail, a_residual()).sum().backward()
    assert hooks(em.model) == 0
    assert own_forwards(em.model) == []
    assert em.weights_digest() == before


def test_the_model_is_as_it_was_after_a_failure() -> None:
    model = tiny.model()
    tail = tail_of(model, 2)

    def broken(_module: nn.Module, _args: Any) -> None:
        raise ZeroDivisionError

    handle = model.lm_head.register_forward_pre_hook(broken)
    with pytest.raises(ZeroDivisionError):
        placed(tail, a_residual())
    handle.remove()
    handle = model.model.layers[0].register_forward_pre_hook(broken)
    with pytest.raises(ZeroDivisionError):
        tail_of(model, 2)
    handle.remove()
    with pytest.raises(RuntimeError):
        placed(tail, torch.zeros(7))
    assert hooks(model) == 0
    assert own_forwards(model) == []


def test_a_forward_that_another_library_put_there_is_put_back() -> None:
    model = tiny.model()
    layer = model.model.layers[0]
    layer.forward = own = layer.forward
    placed(tail_of(model, 2))
    assert layer.__dict__["forward"] is own


def test_only_layers_from_the_edited_one_up_run() -> None:
    model, ran = tiny.model(), []
    tail = tail_of(model, 2)
    for i, layer in enumerate(model.model.layers):
        layer.mlp.register_forward_hook(lambda _m, args, _o, i=i: ran.append((i, args[0].shape[1])))
    placed(tail, a_residual())
    assert ran == [(2, 5)]
    ran.clear()
    tail_of(model, 2)
    prefixes = [(i, tokens) for tokens in (8, 16) for i in range(tiny.LAYERS)]  # in groups of like length
    assert ran == [*prefixes, (0, 5), (1, 5)], "the prefix whole, the tail below the edited layer alone"


@pytest.mark.parametrize("layer", [-1, tiny.LAYERS])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(LayerError, match="layers 0 to 2"):
        tail_of(tiny.model(), layer)


@pytest.mark.parametrize(
    ("prompts", "answers"), [([], []), ([[5]], []), ([[5], []], [[5], [5]]), ([[5]], [[]])], ids=str
)
def test_prompts_and_answers_must_be_there(prompts: list[list[int]], answers: list[list[int]]) -> None:
    with pytest.raises(InputError, match="as many prompts as answers, none empty"):
        tail_of(tiny.model(), 1, prompts, answers)


@pytest.mark.parametrize("context", [[1], [0, 5, 0, 0], [-1, 0, 0, 0]], ids=str)
def test_something_must_be_left_to_score(context: list[int]) -> None:
    with pytest.raises(InputError, match="context needs one number per answer"):
        tail_of(tiny.model(), 1, context=context)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [Tail, Plain])
def test_some_tokens_logits_are_those_of_all_with_their_gradients(kind: str, way: Any) -> None:
    model = tiny.model(kind)
    layers, writer = parts(model, 1)
    tail = way(model, layers, writer, 1, PROMPTS, ANSWERS)
    tokens = torch.tensor([7, 3, tiny.VOCAB - 1])
    some, every = a_residual(), a_residual()
    gates = GATES[:, None]
    few, all_of_them = tail.scored(gates * some, tokens), tail.scored(gates * every)[:, tokens]
    torch.testing.assert_close(few, all_of_them, rtol=1e-6, atol=1e-9)
    few.pow(2).sum().backward()
    all_of_them.pow(2).sum().backward()
    torch.testing.assert_close(some.grad, every.grad, rtol=1e-5, atol=1e-8)
    assert not own_forwards(model)
