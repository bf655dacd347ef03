"""A conversation keeps what was said, whoever answers and however; what is too much is left out."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.conversation import FULL, Conversation
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.people import Person, Personalizer
from monogram.store.store import Store
from tests import tiny
from tests.compiled import installed


@pytest.fixture(scope="module")
def model() -> EditableModel:
    return tiny.editable(dtype=torch.float32)


@pytest.fixture
def alice(model: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    installed(monkeypatch)
    return Personalizer(model, Store(tmp_path / "home")).user("alice")


def spoken(talk: Conversation, text: str) -> str:
    return "".join(talk.say(text))


def messages(talk: Conversation) -> list[dict[str, str]]:
    return [message for turn in talk.turns for message in turn.messages()]


def expected(talk: Conversation, text: str, *, after: int = 0) -> str:
    """What `generate` answers to the turns after the first few, and the text."""
    delta = None if talk.base else talk.person.delta()
    chat = [*messages(talk)[2 * after :], {"role": "user", "content": text}]
    (answer,) = generate(talk.person.owner.model, [chat], deltas=delta, max_new_tokens=talk.max_new_tokens)
    return answer


def test_what_was_said_before_is_part_of_the_question(alice: Person) -> None:
    alice.add(attribute="hobby", target="Hiking")
    talk = Conversation(alice, max_new_tokens=8)
    for text in ("What is my hobby?", "And where?", "Why?"):
        wanted = expected(talk, text)
        assert spoken(talk, text) == wanted
    assert [turn.question for turn in talk.turns] == ["What is my hobby?", "And where?", "Why?"]
    alone = Conversation(alice, max_new_tokens=8)
    assert spoken(alone, "Why?") != talk.turns[-1].answer


def test_a_change_in_the_middle_is_known_to_the_next_answer(alice: Person) -> None:
    talk = Conversation(alice, max_new_tokens=8)
    first = spoken(talk, "What is my hobby?")
    alice.add(attribute="hobby", target="Hiking")
    talk.reset()
    second = spoken(talk, "What is my hobby?")
    alice.forget("hobby")
    talk.reset()
    assert first != second
    assert spoken(talk, "What is my hobby?") == first


def test_the_base_model_can_answer_and_knows_nobody(alice: Person, model: EditableModel) -> None:
    alice.add(attribute="hobby", target="Hiking")
    talk = Conversation(alice, max_new_tokens=8, base=True)
    assert spoken(talk, "What is my hobby?") == generate(model, ["What is my hobby?"], max_new_tokens=8)[0]
    assert spoken(talk, "What is my hobby?") != spoken(
        Conversation(alice, max_new_tokens=8), "What is my hobby?"
    )


def test_an_answer_that_is_broken_off_is_kept_as_far_as_it_came(alice: Person) -> None:
    talk = Conversation(alice, max_new_tokens=30)
    with closing(talk.say("What should I do on a long and rainy weekend?")) as pieces:
        said = next(pieces) + next(pieces)
    assert [turn.answer for turn in talk.turns] == [said]
    wanted = expected(talk, "Go on.")
    assert spoken(talk, "Go on.") == wanted


def test_an_interrupt_before_the_first_word_leaves_no_turn(alice: Person, model: EditableModel) -> None:
    talk = Conversation(alice, max_new_tokens=6)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with model.module("model.layers.0").register_forward_hook(interrupted), pytest.raises(KeyboardInterrupt):
        spoken(talk, "Tell me a story.")
    assert talk.turns == []
    assert spoken(talk, "Tell me a story.") == talk.turns[0].answer


def test_when_the_context_is_full_the_oldest_turns_are_left_out(alice: Person, model: EditableModel) -> None:
    assert model.context == 512
    talk = Conversation(alice, max_new_tokens=20)
    left_out = []
    for n in range(24):
        spoken(talk, f"Question {n}, which is rather long, as it has to fill the context?")
        left_out.append(talk.left_out)
    assert left_out[:3] == [0, 0, 0]
    assert left_out == sorted(left_out)
    assert left_out[-1] > 10
    steps = [b - a for a, b in pairwise(left_out) if b > a]
    assert min(steps) > 1  # some at once, so that there is room for a while
    assert len(talk.turns) == 24  # none is lost
    answer = spoken(talk, "Short?")
    last = talk.turns.pop()
    assert answer == last.answer == expected(talk, "Short?", after=talk.left_out)
    kept = [*messages(talk)[2 * talk.left_out :], *last.messages()]
    assert FULL * 492 / 2 < len(model.chat_ids(kept)) < 512


def test_what_the_model_cannot_take_is_refused_and_nothing_is_left_out(alice: Person) -> None:
    talk = Conversation(alice, max_new_tokens=6)
    spoken(talk, "Hello?")
    with pytest.raises(InputError, match="takes 512"):
        spoken(talk, "x" * 600)
    with pytest.raises(InputError, match="Nothing was said"):
        spoken(talk, " \n")
    assert (len(talk.turns), talk.left_out) == (1, 0)


def test_after_a_reset_nothing_was_said(alice: Person) -> None:
    talk = Conversation(alice, max_new_tokens=8)
    first = spoken(talk, "Hello?")
    assert spoken(talk, "Hello?") != first
    talk.reset()
    assert (talk.turns, talk.left_out) == ([], 0)
    assert spoken(talk, "Hello?") == first
