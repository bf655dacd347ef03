"""The loop that fine-tuning and LoRA share: its losses against the plain formulas, on the whole model."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from monogram.delta import Delta
from monogram.editors.base import Editor
from monogram.editors.finetune import FineTune, FineTuneMasked, full_rank
from monogram.editors.lessons import Lesson, Still
from monogram.editors.lines import Lines
from monogram.editors.lora import AdaLora, Lora
from monogram.editors.lora_neuron import LoraNeuron
from monogram.editors.training import AGAIN, Pace, train
from monogram.errors import EditRefusedError, InputError
from monogram.models import prefix
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from tests import tiny
from tests.editors.clusters import cluster
from tests.models.test_attach import delta_for

LINES = Lines([[5, 6, 7], [8, 9, 10, 11, 12]], [[20, 21, 22], [23]], [[0.5, 0.3, 0.2], [1.25]])
START = list(range(30, 100))
ALIKE = Lines([START + prompt for prompt in LINES.prompts], LINES.answers, LINES.weights)
UNLIKE = Lines([LINES.prompts[0], ALIKE.prompts[1]], LINES.answers, LINES.weights)
CHATS = [[{"role": "user", "content": text}] for text in ("Hi", "What is rain?")]
SMALL: dict[type[Any], dict[str, Any]] = {
    FineTune: {"layer": 1, "steps": 2, "asks": 2},
    FineTuneMasked: {"layer": 1, "steps": 2, "asks": 2},
    Lora: {"steps": 2, "asks": 2},
    AdaLora: {"steps": 4, "asks": 2},
    LoraNeuron: {"layer": 1, "steps": 2, "asks": 1, "advice": 1, "still": 3},
}
EDITORS = list(SMALL)


def logs(em: EditableModel, row: Sequence[int]) -> Tensor:
    """(T, V): one row through the whole model, alone."""
    return em.model(torch.tensor([list(row)])).logits[0].log_softmax(-1)


@pytest.mark.parametrize("lines", [LINES, ALIKE, UNLIKE], ids=["short", "alike", "unlike"])
@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2", "gpt_neox", "cohere"])
def test_a_lessons_loss_is_the_plain_sum_over_the_answers_tokens_and_no_others(
    kind: str, lines: Lines
) -> None:
    em = tiny.editable(kind)
    plain = 0.0
    for prompt, answer, weights in zip(lines.prompts, lines.answers, lines.weights, strict=True):
        said = logs(em, prompt + answer)
        for t, (token, weight) in enumerate(zip(answer, weights, strict=True)):
            plain -= weight * float(said[len(prompt) - 1 + t, token])
    for layer in (0, 1, 2):  # whatever lies below a layer is read once, and says the same
        lesson = Lesson(em, lines, layer=layer)
        assert float(lesson.loss([0, 1])) == pytest.approx(plain / 2, abs=1e-10)
        assert float(lesson.loss([1, 0])) == pytest.approx(plain / 2, abs=1e-10)


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2"])
@pytest.mark.parametrize("layer", [0, 1])
def test_what_rows_begin_with_runs_once_and_is_learned_from_as_in_each_row(
    kind: str, layer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = tiny.editable(kind)
    change = torch.randn(em.width, em.inner, generator=torch.Generator().manual_seed(3), dtype=em.dtype) / 50
    change.requires_grad_()
    name, found, ran = em.names(layer)["down"], list[Tensor](), list[tuple[int, ...]]()
    for least in (prefix.WORTH_SHARING, 1000):
        monkeypatch.setattr(prefix, "WORTH_SHARING", least)
        lesson = Lesson(em, ALIKE, layer=layer)
        lesson.loss([0, 1])  # what is read once is read
        see = em.module(name).register_forward_pre_hook(lambda _m, args: ran.append(tuple(args[0].shape[:2])))
        with attach(em, Delta({name: full_rank(change)})):
            found += torch.autograd.grad(lesson.loss([0, 1]), change)
        see.remove()
    assert ran == [(1, 70), (2, 5), (2, 75)]
    bound = 1e-14 if kind == "gpt2" else 1e-7  # the others' norms compute in float32
    assert float((found[0] - found[1]).norm()) < bound * float(found[1].norm())


def test_a_long_row_pads_no_short_one() -> None:
    em, ran = tiny.editable(), list[tuple[int, ...]]()
    name = em.names(0)["down"]
    em.module(name).register_forward_pre_hook(lambda _m, args: ran.append(tuple(args[0].shape[:2])))
    Lesson(em, UNLIKE).loss([1, 0])
    assert ran == [(1, 5), (1, 75)]


def test_at_once_all_tokens_are_asked_of_the_prompts_last() -> None:
    em = tiny.editable()
    plain = 0.0
    for prompt, answer, weights in zip(LINES.prompts, LINES.answers, LINES.weights, strict=True):
        said = logs(em, prompt)[-1]
        plain -= sum(w * float(said[token]) for token, w in zip(answer, weights, strict=True))
    assert float(Lesson(em, LINES, at_once=True).loss([0, 1])) == pytest.approx(plain / 2, abs=1e-10)


def test_nothing_drifts_on_the_base_model_and_what_does_is_the_plain_kl() -> None:
    em = tiny.editable()
    still = Still(em, CHATS, longest=3, batch=2)
    assert float(still.drift([0, 1])) == pytest.approx(0, abs=1e-12)
    delta = delta_for(em, 1)
    rows = [(em.chat_ids(chat), answer) for chat, answer in zip(CHATS, still.answers, strict=True)]
    plain = []
    for prompt, answer in rows:
        with torch.no_grad():
            base = logs(em, prompt + answer)[len(prompt) - 1 : -1]
            with attach(em, delta):
                now = logs(em, prompt + answer)[len(prompt) - 1 : -1]
        plain.append(float((base.exp() * (base - now)).sum()) / len(answer))
    with attach(em, delta):
        assert float(still.drift([1, 0])) == pytest.approx(sum(plain) / 2, rel=1e-9)
    assert sum(plain) > 0.01


def test_passes_take_every_row_once_and_end_where_the_loss_is_small() -> None:
    at = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    taken: list[int] = []

    def loss(chosen: list[int]) -> Tensor:
        taken.extend(chosen)
        return ((at - 1) ** 2).sum()

    losses = train([at], loss, 5, Pace(200, 0.05, 2, 1e-3, 0))
    assert len(losses) < 200
    assert losses[-1] <= 1e-3 < losses[-2]
    assert all(sorted(taken[i : i + 5]) == list(range(5)) for i in range(0, len(taken), 5))
    assert taken[:5] != taken[5:10]  # another order in each pass


def test_a_loss_that_is_no_number_is_refused() -> None:
    at = torch.ones(1, requires_grad=True)
    with pytest.raises(EditRefusedError, match="lost its footing at step 0: the loss is nan"):
        train([at], lambda _: (at * float("nan")).sum(), 1, Pace(3, 0.1, 1, 0.0, 0))


@pytest.mark.parametrize("editor", EDITORS)
def test_it_hangs_on_the_set_and_the_seed_alone_to_the_bit(editor: type[Any]) -> None:
    em = tiny.editable()
    a, b = cluster(), cluster("job", "Baker")
    ready = editor(**SMALL[editor])
    assert isinstance(ready, Editor)
    both = ready.edit(em, [a, b])
    assert both.delta == editor(**SMALL[editor]).edit(em, [b, a]).delta
    assert ready.edit(em, [a]).delta == ready.edit(em, [a]).delta != both.delta
    assert both.details["trained_again"] == AGAIN
    assert ready.edit(em, []).delta == Delta.zero()


@pytest.mark.parametrize("editor", [Lora, LoraNeuron])
def test_another_seed_is_another_adapter_and_the_processs_own_numbers_go_on(editor: type[Any]) -> None:
    em = tiny.editable()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one = editor(**SMALL[editor]).edit(em, [cluster()]).delta
    assert torch.equal(torch.rand(2), expected)
    assert one != editor(**SMALL[editor], seed=1).edit(em, [cluster()]).delta


@pytest.mark.parametrize("editor", EDITORS)
def test_the_model_is_the_same_after_as_before_also_when_it_fails(editor: type[Any]) -> None:
    em = tiny.editable()
    before, modules = em.weights_digest(), [(n, type(m)) for n, m in em.model.named_modules()]
    torch.manual_seed(0)
    drawn = torch.get_rng_state()
    ready = editor(**SMALL[editor])

    def stop(what: str, done: int, count: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ready.edit(em, [cluster()], progress=stop)
    ready.edit(em, [cluster()])
    assert em.weights_digest() == before
    assert [(n, type(m)) for n, m in em.model.named_modules()] == modules
    assert not any(m._forward_hooks for m in em.model.modules())
    assert not any(p.requires_grad or p.grad is not None for p in em.model.parameters())
    assert not hasattr(em.model, "peft_config")
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("editor", EDITORS)
def test_a_cluster_without_phrasings_is_said(editor: type[Any]) -> None:
    bare = cluster().without([p.text for p in cluster().train])
    with pytest.raises(InputError, match="No phrasing is left to train 'hobby' on"):
        editor(**SMALL[editor]).edit(tiny.editable(), [bare])


@pytest.mark.parametrize("editor", EDITORS)
def test_a_model_in_half_precision_has_a_delta_in_float32(editor: type[Any]) -> None:
    em = tiny.editable(dtype=torch.bfloat16)
    delta = editor(**SMALL[editor]).edit(em, [cluster()]).delta
    assert {factor.dtype for factor in delta.factors.values()} == {torch.float32}
    assert delta.norm() > 0
