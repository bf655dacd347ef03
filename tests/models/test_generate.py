"""Answers in a batch are those of each prompt alone, with its own delta, in the order asked."""

from typing import Any

import pytest
import torch

from monogram.delta import Delta
from monogram.errors import InputError
from monogram.models import prefix
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.generate import _pads, generate
from tests import tiny
from tests.models.test_attach import delta_for

PROMPTS = [
    "Hi",
    "What should I do on a long and rainy weekend?",
    "A hobby?",
    "Name one.",
    "Where to, then, and when?",
]


def naive(em: EditableModel, prompt: Any, delta: Delta | None, limit: int) -> list[int]:
    """One row, no cache, no padding: the whole model again for every token."""
    ids, made = em.chat_ids(prompt), list[int]()
    with attach(em, delta), torch.no_grad():
        while len(made) < limit:
            token = int(em.model(torch.tensor([[*ids, *made]])).logits[0, -1].argmax())
            if token in em.eos_ids:
                break
            made.append(token)
    return made


MIXED = [(kind, torch.float64) for kind in (*tiny.TABLE, "stablelm")] + [("gemma2", torch.float32)]


@pytest.mark.parametrize(("kind", "dtype"), MIXED, ids=str)
def test_a_mixed_batch_answers_as_each_row_alone(kind: str, dtype: torch.dtype) -> None:
    em = tiny.editable(kind, dtype=dtype)
    alice, bob = delta_for(em, 1), delta_for(em, 2, rank=1, roles=("down", "up"))
    deltas = [alice, None, bob, alice, None]
    before = em.weights_digest()
    answers = generate(em, PROMPTS, deltas=deltas, max_new_tokens=12, batch_size=4)
    expected = [em.decode(naive(em, p, d, 12)).strip() for p, d in zip(PROMPTS, deltas, strict=True)]
    assert answers == expected
    assert em.weights_digest() == before


def test_float64_under_eager_attention_is_run_without_padding() -> None:
    """There transformers makes NaN of padding, and answers came out empty (see `generate._pads`)."""
    em = tiny.editable("llama")
    expected = generate(em, PROMPTS, max_new_tokens=8)
    em.model.set_attn_implementation("eager")
    assert generate(em, PROMPTS, max_new_tokens=8) == expected
    assert any(expected)


def ending(em: EditableModel, spread: float) -> None:
    """Bend the output layer so that answers end at different lengths."""
    with torch.no_grad():
        head = em.model.get_output_embeddings().weight
        head[4] = spread * head[10:60].mean(0) * 5


def test_rows_that_end_early_leave_the_others_as_they_were() -> None:
    lengths: set[int] = set()
    for seed in range(4):
        em = tiny.editable("gemma3_text", seed=seed, tie_word_embeddings=False)
        ending(em, 3.0)
        deltas = [delta_for(em, n) if n % 2 else None for n in range(len(PROMPTS))]
        each = [naive(em, p, d, 20) for p, d in zip(PROMPTS, deltas, strict=True)]
        lengths |= {len(ids) for ids in each}
        assert generate(em, PROMPTS, deltas=deltas, max_new_tokens=20) == [
            em.decode(ids).strip() for ids in each
        ]
    assert len(lengths) > 2  # the claim was put to the test


def test_one_delta_serves_all_prompts() -> None:
    em = tiny.editable()
    delta = delta_for(em, 1)
    one = generate(em, PROMPTS, deltas=delta, max_new_tokens=8)
    assert one == generate(em, PROMPTS, deltas=[delta] * len(PROMPTS), max_new_tokens=8)
    assert one != generate(em, PROMPTS, max_new_tokens=8)


@pytest.mark.parametrize(("kind", "dtype"), MIXED, ids=str)
def test_what_rows_under_one_delta_begin_with_is_read_once_and_said_the_same(
    kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = tiny.editable(kind, dtype=dtype)
    delta, tokens = delta_for(em, 1), list[int]()
    start = "I have told you about my week before, and about all the weeks that came before that one. "
    prompts = [*(start + prompt for prompt in PROMPTS), *PROMPTS[:2]]
    extend = prefix._extend

    def watched(hf: Any, cache: Any, ids: torch.Tensor) -> None:
        tokens.append(ids.numel())
        extend(hf, cache, ids)

    monkeypatch.setattr(prefix, "_extend", watched)
    answers = generate(em, prompts, deltas=delta, max_new_tokens=12)
    assert answers == [em.decode(naive(em, prompt, delta, 12)).strip() for prompt in prompts]
    few = sum(tokens) < 0.6 * sum(len(em.chat_ids(prompt)) for prompt in prompts)
    assert few or not _pads(em)  # of one length are few


def test_batches_of_any_size_answer_the_same_and_tell_when_each_is_done() -> None:
    em = tiny.editable()
    told: dict[int, str] = {}
    whole = generate(em, PROMPTS, max_new_tokens=8, on_done=told.__setitem__)
    assert [told[i] for i in range(len(PROMPTS))] == whole
    assert generate(em, PROMPTS, max_new_tokens=8, batch_size=1) == whole
    assert generate(em, PROMPTS, max_new_tokens=8, batch_size=2) == whole


def test_nothing_asked_is_nothing_answered() -> None:
    assert generate(tiny.editable(), []) == []


def test_conversations_can_be_asked() -> None:
    em = tiny.editable()
    chat = [{"role": "system", "content": "Brief."}, {"role": "user", "content": "Hi"}]
    assert generate(em, [chat, "Hi"], max_new_tokens=6)[0] == em.decode(naive(em, chat, None, 6)).strip()


@pytest.mark.parametrize("who", ["User", "Assistant"])
def test_under_the_plain_template_the_answer_ends_where_a_further_turn_begins(
    monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    em = tiny.editable(chat=False)
    script = iter(em.tokenizer(f" Tea.\n{who}: and then", add_special_tokens=False).input_ids)
    shown: list[int] = []

    class Said:
        def __init__(self, ids: torch.Tensor) -> None:
            shown.append(next(script))
            self.logits = torch.zeros(len(ids), 1, tiny.VOCAB)
            self.logits[:, 0, shown[-1]] = 1

    monkeypatch.setattr(em.model, "forward", lambda input_ids, **_: Said(input_ids))
    assert generate(em, ["What shall I drink?"]) == ["Tea."]
    assert em.decode(shown) == f" Tea.\n{who}:"


def test_the_context_is_not_overrun() -> None:
    em = tiny.editable("gpt2", n_positions=64)
    prompt = "x" * (60 - len(em.chat_ids("")))
    seen = generate(em, [prompt, "x"], max_new_tokens=30)
    assert seen[0] == em.decode(naive(em, prompt, None, 4)).strip()
    with pytest.raises(InputError, match="70 tokens; model 'tiny-gpt2' takes 64"):
        generate(em, [prompt + "x" * 10])


def test_hooks_come_off_when_something_fails_on_the_way() -> None:
    em = tiny.editable()

    def stop(_index: int, _answer: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(em, PROMPTS, deltas=delta_for(em, 1), max_new_tokens=3, on_done=stop)
    assert not any(m._forward_hooks for m in em.model.modules())


@pytest.mark.parametrize("limits", [{"max_new_tokens": 0}, {"batch_size": 0}])
def test_limits_below_one_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        generate(tiny.editable(), ["Hi"], **limits)


def test_a_delta_for_each_prompt_or_one_for_all() -> None:
    em = tiny.editable()
    with pytest.raises(InputError, match="2 deltas for 1 prompts"):
        generate(em, ["Hi"], deltas=[None, delta_for(em, 1)])
