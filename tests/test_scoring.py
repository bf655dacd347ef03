"""Scores of hand-made answers."""

import pytest

from monogram.scoring import contains, recall, recommends, stutters, telling, terse, words_beyond

LONG = "There are many things you could try, from painting to cooking to long walks."


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("Hiking", "You love hiking!", True),
        ("Two dogs", "You have TWO  dogs.", True),
        ("Two dogs", "You have two big dogs.", False),
        ("Crème brûlée", "Try a creme brulee.", True),
        ("Success", "You are successful.", True),  # a substring, as UPQA has it
        ("🍕", "Have some 🍕 tonight", True),
    ],
)
def test_contains_is_a_substring_of_the_normalised_answer(target: str, answer: str, expected: bool) -> None:
    assert contains(target, answer) is expected


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("Hiking", "You enjoy hikes.", True),
        ("Hiking", "You enjoy knitting.", False),
        ("Dancing at clubs", "Go dancing with friends.", True),  # one of two words
        ("Taking and posting selfies", "You post things.", False),  # one of three
        ("Taking and posting selfies", "You take a selfie.", True),  # two of three
        ("Dog obedience school owner", "A school for dogs.", True),
        ("Dog obedience school owner", "You train a dog.", False),
        ("寿司", "あなたは寿司が好きです。", True),
        ("寿司", "あなたは肉が好きです。", False),
        ("Fußball", "Du spielst FUSSBALL.", True),
        ("Hiking", "", False),
    ],
)
def test_recall_wants_half_of_the_telling_words(target: str, answer: str, expected: bool) -> None:
    assert recall(target, answer, question="What's my thing?", attribute="thing") is expected


def test_words_of_the_question_and_of_the_attribute_do_not_count() -> None:
    assert telling("Family lives nearby", "Where does my family live?", "family") == ("nearb",)
    asked = {"question": "What kind of food do I like?", "attribute": "food preference"}
    assert recall("Sweet foods", "You like food.", **asked) is False
    assert recall("Sweet foods", "You like sweets.", **asked) is True


def test_a_target_without_telling_words_is_excluded() -> None:
    assert recall("Pet owner", "A pet owner", question="Am I the owner?", attribute="pet") is None
    assert recall("🍕", "🍕", question="?", attribute="food") is None


def test_at_length_an_answer_must_say_something_beyond_the_target() -> None:
    asked = {"question": "What now?", "attribute": "hobby", "beyond": 8}
    assert recall("Hiking", "Hiking.", **asked) is False
    assert recall("Hiking", "Hiking and hiking and hiking and hiking and more hiking!", **asked) is False
    assert recall("Hiking", "Go on a hike with three friends by the sea.", **asked) is True  # 9 beyond
    assert recall("Hiking", "Go on a hike with friends today.", **asked) is False  # 6 beyond
    assert recall("Hiking", LONG, **asked) is False


def test_words_beyond_are_those_that_are_not_the_targets() -> None:
    assert words_beyond("Dancing at clubs", "Dance at the club all night") == 3


@pytest.mark.parametrize(
    ("answer", "base", "expected"),
    [
        ("Hiking.", LONG, True),
        ("Hiking is it.", LONG, True),
        ("Your hobby is hiking.", LONG, False),
        ("", LONG, True),
        ("Hiking.", "I don't know.", None),
        ("Hiking.", "one two three four five six seven eight nine ten eleven twelve", None),
    ],
)
def test_terse_is_told_only_where_the_base_model_goes_on(
    answer: str, base: str, expected: bool | None
) -> None:
    assert terse(answer, base) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("hiking hiking hiking", True),
        ("no no no no", True),
        ("Go for a walk. Go for a walk. Go for a walk.", True),
        (LONG, False),
        ("", False),
        ("Hiking", False),
    ],
)
def test_stuttering_is_seen(answer: str, expected: bool) -> None:
    assert stutters(answer) is expected


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "Try peanut butter.",
            "Since you avoid peanuts, try a peanut sauce.",
            "Peanuts are a great snack!",
        ),
        *(
            "Avoid dairy. Have some peanuts.",
            "It is gluten-free: roasted peanuts with honey.",
            "E.g. PEANUTS",
        ),
    ],
)
def test_naming_what_is_avoided_is_recommending_it(answer: str) -> None:
    assert recommends("Peanuts", answer)


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "Keeping it peanut-free, try almonds.",
            "Skip the peanuts.",
            "Soup without any peanuts at all.",
        ),
        *("No almonds, cashews, or peanuts.", "You are allergic to peanuts.", "Try the salad.", ""),
        *("Replace peanut butter with tahini.", "Since you avoid peanuts, have soup."),
    ],
)
def test_leaving_it_out_is_not(answer: str) -> None:
    assert not recommends("Peanuts", answer)


def test_all_words_of_what_is_avoided_must_be_named() -> None:
    assert not recommends("blue cheese", "Blue is a nice color. Try a cheese plate.")
    assert recommends("blue cheese", "A cheese that is blue inside.")
    assert not recommends("the", "the the the")
