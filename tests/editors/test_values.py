"""The value step: its fast path is the whole model's, its gradient is the loss's, and its bounds hold."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from monogram.editors import values as room
from monogram.editors.parts import Pairs, dealt
from monogram.editors.values import ValueConfig, value_step
from monogram.errors import EditRefusedError, InputError, LayerError, ModelError
from monogram.models.editable import EditableModel
from monogram.models.prefix import read_prefix
from monogram.models.trace import replaced
from tests import tiny

KINDS = ("llama", "gpt2", "gemma2", "gemma3_text")
CONFIG = ValueConfig(steps=8, lr=0.3, stop=0.0)
ANSWERS = ["Your hobby is Hiking.", "With Hiking in mind, go", "Hiking"]


def lines(em: EditableModel) -> tuple[list[list[int]], list[list[int]]]:
    """Prompts and answers of unlike lengths."""
    prompts = [em.chat_ids(text) for text in ("What's my hobby?", "Plan my long, free Sunday.", "Hm")]
    return prompts, [list(em.tokenizer(text, add_special_tokens=False).input_ids) for text in ANSWERS]


def weights_of(answers: list[list[int]]) -> list[list[float]]:
    return [[1 / len(a)] * (len(a) - 2) + [0.5, 0.0] for a in answers]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_fast_path_is_the_whole_models(kind: str, layer: int) -> None:
    em = tiny.editable(kind)
    prompts, answers = lines(em)
    settings: dict[str, Any] = {"context": [2, 0, 1], "weights": weights_of(answers)}
    fast = value_step(em, layer, prompts, answers, CONFIG, **settings)
    plain = value_step(em, layer, prompts, answers, CONFIG, **settings, fast=False)
    assert len(fast.losses) == len(plain.losses) == CONFIG.steps + 1
    torch.testing.assert_close(fast.residual, plain.residual, rtol=1e-10, atol=1e-10)
    assert fast.losses == pytest.approx(plain.losses, rel=1e-10)
    assert float(fast.residual.norm()) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(kind: str) -> None:
    em = tiny.editable(kind)
    prompts, answers = lines(em)
    found = value_step(em, 1, prompts[:1], answers[2:], replace(CONFIG, steps=40, lr=1.0, gates=(1.0, 1.0)))
    assert found.losses[-1] < found.losses[0] - 0.4
    assert found.residual.shape == (em.width,)
    assert found.residual.dtype == torch.float64
    assert not found.residual.requires_grad
    assert found.seconds > 0


def loss(em: EditableModel, layer: int, r: Tensor, weights: list[list[float]], gate: float) -> float:
    """One row at a time, unpadded, through the whole model; each answer's tokens by their weights."""
    prompts, answers = lines(em)
    total = 0.0
    for prompt, answer, share in zip(prompts, answers, weights, strict=True):

        def added(y: Tensor, at: int = len(prompt) - 1) -> Tensor:
            here = torch.zeros(y.shape[1], 1, dtype=y.dtype)
            here[at] = gate
            return y + here * r

        with torch.no_grad(), replaced(em, em.names(layer)["down"], added):
            logits = em.model(torch.tensor([prompt + answer])).logits[0]
        said = logits[len(prompt) - 1 : -1].log_softmax(-1)
        nll = -said[torch.arange(len(answer)), torch.tensor(answer)]
        total += float((nll * torch.tensor(share, dtype=torch.float64)).sum())
    return total / len(prompts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_gradient_is_that_of_the_loss_by_finite_differences(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    em, gradients = tiny.editable(kind), []

    class Spy(torch.optim.Adam):
        def step(self, closure: Any = None) -> Any:
            gradients.append(self.param_groups[0]["params"][0].grad.clone())
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Spy)
    prompts, answers = lines(em)
    shares = [[0.25] * len(a) for a in answers]
    config = replace(CONFIG, steps=1, gates=(0.7, 0.7))
    found = value_step(em, 1, prompts, answers, config, weights=shares)
    (gradient,) = gradients
    nothing = torch.zeros(em.width, dtype=torch.float64)
    assert found.losses[0] == pytest.approx(loss(em, 1, nothing, shares, 0.7), rel=1e-6)
    h, near = (1e-4, 1e-6) if kind == "gpt2" else (1e-2, 1e-2)  # the others' norms compute in float32
    length = float(gradient.norm())
    assert length > 0.01
    for direction in (gradient / length, *torch.eye(em.width, dtype=torch.float64)[::7]):
        up, down = (loss(em, 1, way * h * direction, shares, 0.7) for way in (1, -1))
        assert float(gradient @ direction) == pytest.approx((up - down) / (2 * h), abs=near * length)
    assert found.losses[1] == pytest.approx(loss(em, 1, found.residual, shares, 0.7), rel=1e-6)


def test_rows_without_weights_share_1_evenly() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    even = [[1 / len(a)] * len(a) for a in answers]
    one = value_step(em, 1, prompts, answers, CONFIG)
    other = value_step(em, 1, prompts, answers, CONFIG, weights=even)
    torch.testing.assert_close(one.residual, other.residual, rtol=1e-5, atol=1e-6)


def test_tokens_of_the_prompt_are_not_scored() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    scored = [[0.0] * 3 + [1 / (len(a) - 3)] * (len(a) - 3) for a in answers]
    one = value_step(em, 1, prompts, answers, CONFIG, context=[3, 3, 3])
    other = value_step(em, 1, prompts, answers, CONFIG, weights=scored)
    torch.testing.assert_close(one.residual, other.residual, rtol=1e-5, atol=1e-6)


def test_gates_are_drawn_from_the_seed_alone() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)

    def run(**changes: Any) -> Tensor:
        return value_step(em, 1, prompts, answers, replace(CONFIG, **changes)).residual

    assert torch.equal(run(), run())
    assert not torch.equal(run(), run(seed=1))
    assert torch.equal(run(gates=(1.0, 1.0)), run(gates=(1.0, 1.0), seed=1))


def test_the_clamp_is_the_longest_residual_in_units_of_the_output() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    with torch.no_grad():
        v = []
        handle = em.module(em.names(1)["down"]).register_forward_hook(
            lambda _m, _a, out: v.append(out[0, -1])
        )
        for prompt in prompts:
            em.model(torch.tensor([prompt]))
        handle.remove()
    longest = 0.5 * float(torch.stack(v).norm(dim=-1).mean())
    found = value_step(em, 1, prompts, answers, replace(CONFIG, lr=2.0, clamp=0.5))
    assert float(found.residual.norm()) == pytest.approx(longest, rel=1e-9)


@pytest.mark.parametrize(("kind", "times"), [("llama", 1.0), ("gpt2", 1.0), ("gemma2", room.NORMED)])
def test_where_the_output_is_normed_a_relative_step_is_a_third(kind: str, times: float) -> None:
    em = tiny.editable(kind)
    prompts, answers = lines(em)
    written = dealt(em, 1, Pairs(prompts, answers), 1, read=None, fast=True)[0].written
    for relative, unit in ((True, times * float(written.pow(2).mean().sqrt())), (False, 1.0)):
        config = replace(CONFIG, steps=1, relative=relative)
        longest = value_step(em, 1, prompts, answers, config).residual.abs().max()  # Adam's first is its rate
        assert float(longest) == pytest.approx(config.lr * unit, rel=1e-4)


def test_steps_end_at_the_stated_loss() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    found = value_step(em, 1, prompts, answers, replace(CONFIG, stop=1e9))
    assert len(found.losses) == 1
    assert not found.residual.any()
    assert len(value_step(em, 1, prompts, answers, replace(CONFIG, steps=0)).losses) == 1


def test_decay_shortens_the_residual() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    free = value_step(em, 1, prompts, answers, replace(CONFIG, weight_decay=0.0)).residual.norm()
    held = value_step(em, 1, prompts, answers, replace(CONFIG, weight_decay=10.0)).residual.norm()
    assert float(held) < float(free)


def test_float32_models_give_the_same_to_their_precision() -> None:
    found = []
    for dtype in (torch.float32, torch.float64):
        em = tiny.editable(dtype=dtype)
        found.append(value_step(em, 1, *lines(em), replace(CONFIG, weight_decay=0.0)).residual)
    assert found[0].dtype == torch.float64
    torch.testing.assert_close(found[0], found[1], rtol=1e-2, atol=1e-3)


def test_the_weights_are_left_alone() -> None:
    em = tiny.editable()
    before = em.weights_digest()
    value_step(em, 1, *lines(em), CONFIG)
    value_step(em, 1, *lines(em), CONFIG, fast=False)
    assert em.weights_digest() == before
    assert not any(p.requires_grad for p in em.model.parameters())


def test_a_loss_that_is_no_number_is_refused() -> None:
    em = tiny.editable()
    em.model.lm_head.weight.data[5] = float("nan")
    with pytest.raises(EditRefusedError, match="layer 1"):
        value_step(em, 1, *lines(em), CONFIG)


def test_a_model_that_computes_no_numbers_is_named() -> None:
    em = tiny.editable()
    em.model.model.layers[1].mlp.down_proj.weight.data[3, 3] = float("nan")
    with pytest.raises(ModelError, match="'tiny-llama' computes no numbers at layer 1"):
        value_step(em, 1, *lines(em), CONFIG)


@pytest.mark.parametrize("fast", [True, False])
def test_what_cannot_run_is_said(fast: bool) -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    with pytest.raises(LayerError, match="layers 0 to 2"):
        value_step(em, 3, prompts, answers, CONFIG, fast=fast)
    with pytest.raises(InputError):
        value_step(em, 1, prompts, answers[:2], CONFIG, fast=fast)
    with pytest.raises(InputError):
        value_step(em, 1, [], [], CONFIG, fast=fast)
    with pytest.raises(InputError):
        value_step(em, 1, prompts, [answers[0], [], answers[2]], CONFIG, fast=fast)


def test_a_few_tokens_stand_for_the_vocabulary_and_all_of_it_is_looked_at_in_the_end() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    config = ValueConfig(steps=30, lr=1.0, stop=0.0, gates=(0.7, 0.7), weight_decay=0.0)
    every = value_step(em, 1, prompts, answers, replace(config, likeliest=None))
    few = value_step(em, 1, prompts, answers, replace(config, likeliest=2))
    even = [[1 / len(a)] * len(a) for a in answers]
    assert few.losses[-1] == pytest.approx(loss(em, 1, few.residual, even, 0.7), rel=1e-6)
    assert few.losses[1] < every.losses[1]  # of those tokens alone
    assert few.losses[-1] < (few.losses[0] + every.losses[-1]) / 2


def test_steps_do_not_end_for_a_few_tokens_sake() -> None:
    em = tiny.editable()
    prompts, answers = lines(em)
    config = ValueConfig(steps=9, lr=0.1, stop=0.0, gates=(1.0, 1.0), likeliest=1)
    few = value_step(em, 1, prompts, answers, config).losses
    stop = min(few[1:-1])  # between looks, of the likeliest alone
    assert stop < few[0]
    assert stop < few[-1]  # as the whole vocabulary has it
    assert len(value_step(em, 1, prompts, answers, replace(config, stop=stop)).losses) == config.steps + 1


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_value_holds_beside_others_that_it_was_trained_with(kind: str) -> None:
    em = tiny.editable(kind)
    prompts, answers = lines(em)
    config = replace(CONFIG, steps=60, lr=1.0, gates=(1.0, 1.0), beside=(2, 0.8))
    alone = value_step(em, 1, prompts, answers, config)
    draw = torch.Generator().manual_seed(1)
    others = torch.randn(3, em.width, generator=draw, dtype=torch.float64)
    others *= alone.residual.norm() / others.norm(dim=1, keepdim=True)
    among = value_step(em, 1, prompts, answers, config, others=others)
    weights = [[1 / len(a)] * len(a) for a in answers]

    def held(r: Tensor) -> float:  # the mean loss with one other at a gate of 0.6
        return sum(loss(em, 1, r + 0.6 * other, weights, 1.0) for other in others) / len(others)

    assert held(among.residual) < held(alone.residual) - 0.05
    plain = value_step(em, 1, prompts, answers, config, others=others, fast=False)
    torch.testing.assert_close(among.residual, plain.residual, rtol=1e-6, atol=1e-6)


def test_no_more_others_stand_beside_than_are_asked_for() -> None:
    gates = room._aside(6, 4000, (2, 0.6), torch.Generator().manual_seed(0))
    few = (gates > 0).sum(1)
    assert gates.shape == (4000, 6)
    assert set(few.tolist()) == {0, 1, 2}
    assert all(abs(float((few == n).float().mean()) - 1 / 3) < 0.05 for n in range(3))
    assert 0.55 < float(gates.max()) <= 0.6
    assert float((gates > 0).float().mean(0).std()) < 0.02
    assert room._aside(0, 5, (2, 0.6), torch.Generator()).shape == (5, 0)
    assert room._aside(1, 500, (2, 0.6), torch.Generator().manual_seed(0)).shape == (500, 1)


def many(em: EditableModel, count: int) -> tuple[list[list[int]], list[list[int]]]:
    """The three lines over and over, with a word more each time."""
    prompts, answers = lines(em)
    more = [[5 + turn] * turn for turn in range(count // 3 + 1)]
    chosen = [(b % 3, b // 3) for b in range(count)]
    return [more[turn] + prompts[b] for b, turn in chosen], [answers[b] for b, _ in chosen]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fast", [True, False])
def test_parts_take_turns_and_the_last_loss_is_of_all(kind: str, fast: bool) -> None:
    em, config = tiny.editable(kind), replace(CONFIG, steps=4, gates=(1.0, 1.0))
    prompts, answers = many(em, 9)
    with torch.no_grad():
        read = read_prefix(em.model, [p[:-1] for p in prompts]) if fast else None
    found = value_step(em, 1, prompts, answers, replace(config, parts=2), fast=fast, read=read)
    assert read is None or not read.layers, "it is used up"
    begun = [
        value_step(em, 1, prompts[turn::2], answers[turn::2], replace(config, steps=0)).losses[0]
        for turn in (0, 1)
    ]
    assert found.losses[0] == pytest.approx(begun[0], rel=1e-10), "nothing is added yet"
    assert found.losses[1] != pytest.approx(begun[0], rel=1e-3)
    assert found.losses[2] < begun[0], "the second look at the first part"
    assert found.losses[3] < begun[1]
    after = _loss_with(em, prompts, answers, found.residual)
    assert found.losses[-1] == pytest.approx(after, rel=1e-6)
    assert len(found.losses) == 5


def _loss_with(em: EditableModel, prompts: list[list[int]], answers: list[list[int]], r: Tensor) -> float:
    """Of all rows at gate 1, by the whole model."""
    rows = Pairs(prompts, answers)
    (part,) = dealt(em, 1, rows, 1, read=None, fast=False)
    with torch.no_grad():
        return float(part.whole(r.expand(len(prompts), -1)))


def test_few_rows_are_not_dealt() -> None:
    em = tiny.editable()
    prompts, answers = many(em, 7)
    whole = value_step(em, 1, prompts, answers, CONFIG)
    dealt_out = value_step(em, 1, prompts, answers, replace(CONFIG, parts=3))
    assert torch.equal(whole.residual, dealt_out.residual)
    assert whole.losses == dealt_out.losses


def test_steps_end_when_every_part_is_at_the_stated_loss() -> None:
    em = tiny.editable()
    prompts, answers = many(em, 9)
    losses = value_step(em, 1, prompts, answers, replace(CONFIG, parts=2, steps=2)).losses
    low, high = sorted(losses[:2])
    between = value_step(em, 1, prompts, answers, replace(CONFIG, parts=2, stop=(low + high) / 2))
    assert len(between.losses) > 2
    assert len(value_step(em, 1, prompts, answers, replace(CONFIG, parts=2, stop=1e9)).losses) == 2
