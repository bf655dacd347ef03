"""Baselines that do more: examples, thoughts, criticism, the nearest facts. What is said, and of whom."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from monogram.clusters.cluster import overlap, words
from monogram.errors import ModelFetchError
from monogram.preferences import Preference
from monogram.prompting.base import Repeated
from monogram.prompting.examples import SHOWN, InContext
from monogram.prompting.facts import by_the_user
from monogram.prompting.passes import ChainOfThought, SelfCritic
from monogram.prompting.registry import baselines
from monogram.prompting.retrieval import NEAREST, Retrieval

HIKING = Preference("hobby", "Hiking", "I like to go hiking in my spare time.")
NUTS = Preference("allergy", "Peanuts", polarity="avoids")
MANY = [HIKING, NUTS, Preference("job", "Baker"), Preference("pet", "Rex"), Preference("sport", "Tennis")]
ASKED = "What should I do this weekend?"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}]


class Letters:
    """An encoder that knows letters: texts of the same letters are near."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += texts
        rows = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def said(chat: Sequence[dict[str, str]]) -> str:
    return "\n".join(message["content"] for message in chat)


def test_examples_are_answered_with_the_facts_and_stand_before_the_question() -> None:
    system, *turns, last = InContext().wrap(CHAT, [HIKING])
    assert system == CHAT[0]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 3
    assert turns[1]["content"] == "Hiking is your hobby."
    assert turns[3]["content"] == "Hiking is your hobby, so I'd choose something that fits that."
    assert "56" in turns[5]["content"]
    assert last["content"].endswith(f"With this in mind: {ASKED}")
    assert HIKING.statement in last["content"]


def test_what_is_asked_is_no_example_nor_is_what_is_near() -> None:
    shown = InContext().wrap(CHAT, [HIKING])[1]["content"]
    for asked in (shown, shown.upper(), f"{shown} Hm."):
        turns = InContext().wrap([{"role": "user", "content": asked}], [HIKING])[:-1]
        texts = [turn["content"] for turn in turns if turn["role"] == "user"]
        assert texts
        assert all(overlap(words(text), words(asked)) < 0.9 for text in texts)


def test_every_fact_is_told_however_many_have_examples() -> None:
    *turns, last = InContext().wrap(CHAT, MANY)
    assert by_the_user(MANY) in last["content"]
    assert sum(turn["role"] == "assistant" for turn in turns) == 2 * SHOWN + 1


def test_a_thought_is_asked_for_first_and_then_the_answer() -> None:
    thought = ChainOfThought().wrap(CHAT, [HIKING, NUTS])
    assert thought[0] == CHAT[0]
    assert by_the_user([HIKING, NUTS]) in thought[-1]["content"]
    assert ASKED in thought[-1]["content"]
    answer = ChainOfThought().again(CHAT, [HIKING, NUTS], ["The hobby matters."])
    assert answer[:-2] == thought
    assert answer[-2:] == [
        {"role": "assistant", "content": "The hobby matters."},
        {"role": "user", "content": f"Now answer me: {ASKED}"},
    ]


def test_a_critic_sees_facts_question_and_answer_and_the_last_pass_all_of_it() -> None:
    critic = SelfCritic().again(CHAT, [NUTS], ["Eat peanuts."])[-1]["content"]
    assert all(text in critic for text in (by_the_user([NUTS]), ASKED, "Eat peanuts."))
    last = SelfCritic().again(CHAT, [NUTS], ["Eat peanuts.", "They are allergic."])[-1]["content"]
    assert all(text in last for text in (by_the_user([NUTS]), "Eat peanuts.", "They are allergic."))
    assert last.endswith(ASKED)


def test_only_these_two_take_several_passes() -> None:
    found = {n: b.passes for n, b in baselines().items() if isinstance(b, Repeated)}
    assert found == {"chain-of-thought": 2, "self-critic": 3}


@pytest.mark.parametrize("name", ["in-context", "chain-of-thought", "self-critic"])
def test_no_fact_is_hidden_and_only_the_last_message_of_the_user_changes(name: str) -> None:
    talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi!"}, *CHAT[1:]]
    wrapped = baselines()[name].wrap(talk, MANY)
    assert [m for m in wrapped if m in talk[:2]] == talk[:2]
    assert all(p.target in said(wrapped) for p in MANY)


def test_the_nearest_facts_stand_in_front_of_the_question_the_nearest_first() -> None:
    ready = Retrieval(Letters)
    near = ready.nearest("Rex, rex, rex?", MANY)
    assert len(near) == NEAREST
    assert near[0].target == "Rex"
    text = ready.wrap([{"role": "user", "content": "Rex, rex, rex?"}], MANY)[-1]["content"]
    assert text == f"{by_the_user(near)} With this in mind: Rex, rex, rex?"


def test_few_facts_are_all_said() -> None:
    text = said(Retrieval(Letters).wrap(CHAT, [NUTS, HIKING]))
    assert "Peanuts" in text
    assert "Hiking" in text


def test_only_the_persons_own_facts_are_found() -> None:
    ready = Retrieval(Letters)
    ready.wrap(CHAT, MANY)
    assert [p.target for p in ready.nearest("Tennis, tennis, tennis!", [NUTS])] == ["Peanuts"]
    assert "Tennis" not in said(ready.wrap(CHAT, [NUTS]))


def test_each_text_is_read_once_and_alone() -> None:
    encoder = Letters()
    ready = Retrieval(lambda: encoder)
    assert ready.wrap(CHAT, MANY) == ready.wrap(CHAT, MANY)
    assert sorted(encoder.read) == sorted([ASKED, *(by_the_user([p]) for p in MANY)])


def test_without_facts_or_without_the_encoder() -> None:
    def missing() -> Letters:
        raise ModelFetchError("The model 'minilm' is not here and could not be fetched.")

    ready = Retrieval(missing)
    assert ready.wrap(CHAT, []) == CHAT
    with pytest.raises(ModelFetchError, match="minilm"):
        ready.wrap(CHAT, [NUTS])
