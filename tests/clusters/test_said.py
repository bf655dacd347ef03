"""Only what the person says about themself is read: their own turns, as plain first-person clauses."""

import time

import pytest

from monogram.clusters.said import Said, clauses, turns
from monogram.errors import InputError


def read(text: str) -> list[str]:
    return [clause.text for clause in clauses(text)]


def test_of_a_conversation_only_the_persons_turns_are_read() -> None:
    said: Said = [
        {"role": "system", "content": "I am a pirate."},
        {"role": "user", "content": "I love tea."},
        {"role": "assistant", "content": "I love rum!"},
        {"role": "tool", "content": "I am a tool."},
        {"role": "user", "content": [{"type": "text", "text": "I hate fog."}, {"type": "image_url"}]},
    ]
    assert turns(said) == ("I love tea.", "I hate fog.")
    assert turns("I love tea.") == ("I love tea.",)
    assert turns([]) == ()


@pytest.mark.parametrize(
    "said",
    [3, None, [3], [{"role": "user"}], [{"content": "x"}], [{"role": 1, "content": "x"}], [["user", "x"]]],
)
def test_what_is_no_conversation_is_refused(said: Said) -> None:
    with pytest.raises(InputError, match=r"Give a list|is needed"):
        turns(said)


@pytest.mark.parametrize("content", [3, None, [3], {"text": "x"}])
def test_a_content_that_is_no_text_is_refused(content: object) -> None:
    with pytest.raises(InputError, match="content of message 1 must be text"):
        turns([{"role": "user", "content": content}])


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("Hi, I'm a nurse and I really love hiking. Do you?", ["I am a nurse", "I love hiking"]),
        ("I have three guns and love hunting.", ["I have three guns", "I love hunting"]),
        ("My wife and I live in St. Louis.", ["I live in St. Louis"]),
        ("we've got two kids, but i don't like noise", ["I have two kids", "i do not like noise"]),
        ("I never eat meat.", ["I do not eat meat"]),
        ("I want to travel and have kids.", ["I want to travel", "I want to have kids"]),
        ("love pizza", ["I love pizza"]),
        ("Allergic to nuts!", ["I am Allergic to nuts"]),
        ("I love cats, how about you?", ["I love cats"]),
        ("Honestly, to tell you the truth: nothing.", ["to tell you the truth: nothing"]),
    ],
)
def test_a_statement_becomes_plain_clauses(said: str, plain: list[str]) -> None:
    assert read(said) == plain


@pytest.mark.parametrize(
    "said",
    [
        *("Do I love hiking?", "what do i love", "Am I a nurse", "Is my dog a poodle?"),
        *(
            "If I loved dogs I would have one.",
            "Imagine I am a king.",
            "Suppose I live in Rome.",
            "I wish I had a dog",
        ),
        *("I am a king. Just kidding!", "I am a king, just kidding.", "In this story, I am a king."),
        *(
            "She says I am lazy.",
            "My mom thinks I love her soup.",
            'He wrote "I love you" on it.',
            "People say I am nice.",
        ),
        *(
            "Translate into French: I love dogs. I have a cat.",
            "Rewrite 'I am a nurse' for me",
            "Act as if I am a king.",
        ),
        *("```\nI love dogs\n```", "> I love dogs", "Let's do a roleplay: I am a king."),
        *("", " ", "...", "?!", "\x00\x1b[31m", "🎉"),
    ],
)
def test_what_is_no_statement_about_oneself_is_left_out(said: str) -> None:
    assert not any("I " in clause for clause in read(said)), read(said)


def test_what_is_taken_back_is_gone_and_nothing_else() -> None:
    assert read("I love cats. I am a king. Just kidding! I love tea.") == ["I love cats", "I love tea"]


def test_the_sentence_is_kept_as_it_was_typed() -> None:
    first, second = clauses("Well, I'm  a nurse, and i luv tea!")
    assert first.sentence == second.sentence == "Well, I'm a nurse, and i luv tea!"
    assert second.text == "i love tea"


@pytest.mark.parametrize(
    "text",
    [
        "unlike " * 3000,
        "my a " * 3000,
        "I and my " * 3000,
        "i am " * 3000,
        '"I ' * 3000,
        "and but so or " * 2000,
        "x" * 50_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.perf_counter()
    for tried in (text, text[:900], text[:190]):
        read(tried)
    assert time.perf_counter() - began < 2
