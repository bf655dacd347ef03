"""Baselines say the facts where they should, change nothing that was given, and their tokens are counted."""

import pytest

from monogram.errors import UnknownNameError
from monogram.preferences import Preference
from monogram.prompting.base import extra_tokens
from monogram.prompting.registry import baseline, baselines
from tests import tiny

HIKING = Preference("hobby", "Hiking", "I like to go hiking in my spare time.")
NUTS = Preference("allergy", "Peanuts", polarity="avoids")
QUESTION = {"role": "user", "content": "What should I do this weekend?"}
CHATS = [
    [QUESTION],
    [{"role": "system", "content": "Be brief."}, QUESTION],
    [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi!"}, QUESTION],
]


def test_the_names_are_those_of_the_report() -> None:
    plain, several = ["none", "system-prompt", "reminder", "in-context"], ["chain-of-thought", "self-critic"]
    assert list(baselines()) == [*plain, *several, "retrieval"]
    with pytest.raises(UnknownNameError, match="Did you mean 'reminder'"):
        baseline("remainder")


@pytest.mark.parametrize("name", [name for name in baselines() if name != "retrieval"])  # needs an encoder
@pytest.mark.parametrize("chat", CHATS)
def test_what_is_given_stays_and_without_preferences_nothing_is_added(
    name: str, chat: list[dict[str, str]]
) -> None:
    before = [dict(message) for message in chat]
    wrapped = baseline(name).wrap(chat, [HIKING])
    assert chat == before
    assert all(message is not given for message in wrapped for given in chat)
    assert baseline(name).wrap(chat, []) == chat


def test_none_says_nothing() -> None:
    assert baseline("none").wrap(CHATS[1], [HIKING]) == CHATS[1]


def test_the_system_prompt_keeps_the_system_message_that_is_there() -> None:
    system, *rest = baseline("system-prompt").wrap(CHATS[1], [HIKING, NUTS])
    assert system["role"] == "system"
    assert system["content"].startswith("Be brief.\n\nAbout the user: The user's hobby is Hiking.")
    assert '"I like to go hiking in my spare time."' in system["content"]
    assert "The user avoids Peanuts (allergy)." in system["content"]
    assert rest == CHATS[1][1:]


def test_the_system_prompt_makes_a_system_message_where_there_is_none() -> None:
    system, *rest = baseline("system-prompt").wrap(CHATS[2], [HIKING])
    assert system["content"].startswith("You are a helpful assistant.\n\nAbout the user:")
    assert rest == CHATS[2]


def test_the_reminder_stands_in_front_of_the_last_question_only() -> None:
    wrapped = baseline("reminder").wrap(CHATS[2], [HIKING, NUTS])
    assert wrapped[:2] == CHATS[2][:2]
    text = wrapped[-1]["content"]
    assert text.startswith("My hobby is Hiking. I like to go hiking in my spare time.")
    assert "I avoid Peanuts (allergy)." in text
    assert text.endswith(" With this in mind: What should I do this weekend?")


def test_tokens_are_counted_as_the_model_sees_them() -> None:
    em = tiny.editable()
    wrapped = baseline("reminder").wrap([QUESTION], [HIKING])
    added = len(wrapped[0]["content"]) - len(QUESTION["content"])
    assert extra_tokens(em, [QUESTION], wrapped) == added  # the tiny tokenizer works on bytes
    assert extra_tokens(em, [QUESTION], [QUESTION]) == 0
