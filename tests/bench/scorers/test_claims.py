"""What an answer claims is kept; what it asks, quotes, does not know, denies or tells of others is not."""

import pytest

from monogram.bench.scorers.claims import claims


@pytest.mark.parametrize(
    "answer",
    [
        "Your hobby is chess.",
        "How about a game of chess in the park?",
        "Why not join a chess club?",
        "Chess! It’s what you love.",
        "You never tire of a good board game.",  # denies, but names nothing
    ],
)
def test_what_is_claimed_or_advised_is_kept(answer: str) -> None:
    assert claims(answer, "Chess")[0].startswith(answer.split()[0].rstrip("!"))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "?!",
        "Is your hobby chess?",
        '"My hobby is chess"',
        "“Chess is my hobby.”",
        "I don't know whether you play chess.",
        "I cannot tell you if it is chess.",
        "As an AI, I play chess only on request.",
        "Your brother plays chess.",
        "You don’t play chess.",
        "You hate chess.",
        "You no longer play chess.",
        "You used to play chess.",
        "You like every game but chess.",
    ],
)
def test_what_is_not_claimed_of_the_person_is_left_out(answer: str) -> None:
    assert claims(answer, "Chess") == []


def test_of_a_sentence_that_denies_the_rest_is_kept() -> None:
    assert claims("You don't play chess; you paint.", "Chess") == ["you paint"]
    assert claims("Your sister plays chess, you play go.", "Chess") == ["you play go"]
    assert claims("You paint; you sing.", "Chess") == ["You paint; you sing.", "You paint", "you sing"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("You can't eat peanuts.", True),
        ("Avoid peanuts.", True),
        ("You never touch peanuts.", True),
        ("You are not allergic to peanuts.", False),
        ("You're not allergic to peanuts.", False),
        ("You have no allergies.", False),
        ("You aren't allergic to anything.", False),
    ],
)
def test_of_what_is_avoided_leaving_out_is_saying(answer: str, says: bool) -> None:
    assert bool(claims(answer, "Peanuts", "avoids")) is says


def test_a_claim_stands_once() -> None:
    assert claims("You swim. You swim.", "Swimming") == ["You swim.", "You swim"]
