"""The subject of a question, and its last token in the prompt."""

import pytest

from monogram.editors.subject import place_of, subject_span
from monogram.errors import InputError
from tests import tiny

NAMES = ("hobby", "leisure activity", "activity")


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("What's my hobby?", "hobby"),
        ("What's my favourite LEISURE activity, please?", "LEISURE activity"),
        ("Is an activity a hobby, and which activity is mine?", "activity"),
        ("What do I like hobbyists for?", "for"),
        ("What's my go-to pastime?!", "pastime"),
        ("Who am I? 🙂", "I"),
        ("私の趣味は?", "私の趣味は"),
        ("🙂?", "🙂?"),
    ],
)
def test_the_longest_name_that_stands_there_last_or_the_last_word(question: str, subject: str) -> None:
    first, end = subject_span(question, NAMES)
    assert question[first:end] == subject


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize(
    "question", ["What's my hobby?", "Été 🙂: what's my hobby, and my hobby's name?", "hobby"]
)
def test_the_place_is_the_token_that_holds_the_subjects_last_character(question: str, chat: bool) -> None:
    em = tiny.editable(chat=chat)
    _, end = subject_span(question, NAMES)
    messages = [
        {"role": "user", "content": "My hobby?"},
        {"role": "assistant", "content": f"You asked: {question}"},
        {"role": "user", "content": question},
    ]
    ids, at = place_of(em, messages, end)
    assert ids == em.chat_ids(messages)
    assert em.decode(ids[: at + 1]).endswith(question[:end])
    assert em.decode(ids[at : at + 1]) == "y"
    assert em.decode(ids[at + 1 :]).startswith(question[end:])


def test_a_character_of_several_tokens_is_held_by_its_last() -> None:
    em = tiny.editable()
    ids, at = place_of(em, [{"role": "user", "content": "🙂?"}], 1)
    assert em.decode(ids[: at + 1]).endswith("🙂")


def test_a_template_that_changes_the_text_is_said() -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"
    with pytest.raises(InputError, match="cannot be found"):
        place_of(em, [{"role": "user", "content": "What's my hobby?"}], 15)
