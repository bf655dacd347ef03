"""A streamed conversation is, turn by turn, what `generate` answers, whatever is kept between turns."""

from contextlib import closing
from typing import Any

import pytest
import torch

from monogram.delta import Delta
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.stream import Stream
from tests import tiny
from tests.models.test_attach import delta_for

TURNS = ["Hi", "What should I do on a long and rainy weekend?", "Ünd then? 🧗"]
KINDS = [*tiny.TABLE, "stablelm"]


def talk(
    stream: Stream, chat: list[dict[str, str]], turn: str, delta: Delta | None, limit: int = 10
) -> list[str]:
    """One more turn; the pieces of its answer, which is put into the conversation."""
    chat.append({"role": "user", "content": turn})
    pieces = list(stream.answer(chat, delta=delta, max_new_tokens=limit))
    assert "".join(pieces) == generate(stream.em, [chat], deltas=delta, max_new_tokens=limit)[0]
    chat.append({"role": "assistant", "content": "".join(pieces)})
    return pieces


@pytest.mark.parametrize("kind", KINDS)
def test_every_turn_is_what_generate_gives(kind: str) -> None:
    em = tiny.editable(kind)
    stream, alice = Stream(em), delta_for(em, 1)
    before, chat = em.weights_digest(), list[dict[str, str]]()
    for delta, turn in zip([None, alice, alice, None], [*TURNS, "And last?"], strict=True):
        talk(stream, chat, turn, delta)
    assert em.weights_digest() == before


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_new_is_run(kind: str) -> None:
    em = tiny.editable(kind)
    stream, chat, delta = Stream(em), list[dict[str, str]](), delta_for(em, 1)
    ran: list[int] = []
    em.model.register_forward_pre_hook(
        lambda _m, _a, told: ran.append(told["input_ids"].shape[1]), with_kwargs=True
    )
    for turn in TURNS:
        chat.append({"role": "user", "content": turn})
        before = len(ran)
        answer = "".join(stream.answer(chat, delta=delta, max_new_tokens=5))
        assert ran[before] == len(em.chat_ids(chat)) - stream.reused
        chat.append({"role": "assistant", "content": answer})
    assert stream.reused > len(em.chat_ids(chat[:1]))


def test_another_delta_is_computed_from_the_start() -> None:
    em = tiny.editable()
    stream, alice, bob = Stream(em), delta_for(em, 1), delta_for(em, 2)
    question = "Name one hobby that I have."
    asked = [(alice, False), (alice, True), (bob, False), (None, False), (None, True), (alice, False)]
    for delta, kept in asked:
        expected = generate(em, [question], deltas=delta, max_new_tokens=8)[0]
        assert "".join(stream.answer(question, delta=delta, max_new_tokens=8)) == expected
        assert (stream.reused > 0) == kept


def test_pieces_come_one_by_one_and_never_half_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable()
    said = "  Täglich 🧗 gehn.  Ja \n"
    ids = em.tokenizer(said, add_special_tokens=False).input_ids
    script = iter([*ids, 4])
    monkeypatch.setattr(em.model, "forward", lambda input_ids, **_: Said(next(script)))
    pieces = list(Stream(em).answer("Hi", max_new_tokens=99))
    assert "".join(pieces) == said.strip()
    assert len(pieces) > 10
    assert "🧗" in "|".join(pieces)
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("who", ["User", "Assistant"])
def test_under_the_plain_template_nothing_is_shown_of_a_further_turn(
    monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    em = tiny.editable(chat=False)
    text = f" Tea.\nUseful, no?\n{who}: and then"
    script = iter(em.tokenizer(text, add_special_tokens=False).input_ids)
    monkeypatch.setattr(em.model, "forward", lambda input_ids, **_: Said(next(script)))
    pieces = list(Stream(em).answer("What shall I drink?", max_new_tokens=99))
    assert "".join(pieces) == "Tea.\nUseful, no?"
    assert "\nUsef" in pieces  # held back until it could not be the stop any more


class Said:
    """What a model returns that is sure of one token."""

    def __init__(self, token: int) -> None:
        self.logits = torch.zeros(1, 1, tiny.VOCAB)
        self.logits[0, 0, token] = 1


def test_an_answer_that_is_broken_off_leaves_the_next_one_as_it_would_be() -> None:
    em = tiny.editable()
    stream, delta = Stream(em), delta_for(em, 1)
    with closing(stream.answer(TURNS[1], delta=delta, max_new_tokens=30)) as pieces:
        next(pieces)
    talk(stream, [], TURNS[1], delta)
    assert stream.reused > 0


def test_an_interrupt_in_the_middle_of_the_model_spoils_nothing() -> None:
    em = tiny.editable()
    stream, delta = Stream(em), delta_for(em, 1)
    talk(stream, [], TURNS[1], delta)
    last = em.module(em.names(em.num_layers - 1)["down"])

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with last.register_forward_hook(interrupted), pytest.raises(KeyboardInterrupt):
        list(stream.answer(TURNS[1] + " More.", delta=delta))
    assert not any(m._forward_hooks for m in em.model.modules())
    talk(stream, [], TURNS[1] + " More.", delta)


def test_nothing_is_attached_between_two_pieces() -> None:
    em = tiny.editable()
    for _ in Stream(em).answer(TURNS[1], delta=delta_for(em, 1), max_new_tokens=5):
        assert not any(m._forward_hooks for m in em.model.modules())


def test_the_context_is_not_overrun() -> None:
    em = tiny.editable("gpt2", n_positions=64)
    prompt = "x" * (60 - len(em.chat_ids("")))
    (expected,) = generate(em, [prompt], max_new_tokens=30)
    assert "".join(Stream(em).answer(prompt, max_new_tokens=30)) == expected
    with pytest.raises(InputError, match="70 tokens; model 'tiny-gpt2' takes 64"):
        Stream(em).answer(prompt + "x" * 10)


def test_what_cannot_be_answered_is_refused_at_once() -> None:
    em = tiny.editable()
    with pytest.raises(InputError, match="at least 1"):
        Stream(em).answer("Hi", max_new_tokens=0)
    stream = Stream(em)
    first = stream.answer(TURNS[1], max_new_tokens=30)
    next(first)
    list(stream.answer(TURNS[0], max_new_tokens=3))
    with pytest.raises(InputError, match="Another answer was begun"):
        list(first)


def test_a_float32_model_is_streamed_too() -> None:
    em: EditableModel = tiny.editable(dtype=torch.float32)
    stream, chat = Stream(em), list[dict[str, str]]()
    for turn in TURNS:
        talk(stream, chat, turn, delta_for(em, 1))
