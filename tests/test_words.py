"""Words: forms of one word have one stem, words that differ keep theirs apart, other scripts are found."""

import pytest

from monogram.words import content, count, normal, stem, words


@pytest.mark.parametrize(
    "forms",
    [
        "hike hikes hiking hiker hikers hiked",
        "dance dances dancing dancer",
        "run runs running runner",
        "family families",
        "movie movies",
        "cookie cookies",
        "puppy puppies",
        "class classes",
        "watch watches watching",
        "post posts posting posted",
        "nurse nurses nursing",
        "photography photographer",
    ],
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("bus", "bush"), ("king", "kite"), ("career", "car"), ("spring", "spree")]
)
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@pytest.mark.parametrize("word", ["dog", "tea", "ing", "bee", "ohio", "café", "寿司"])
def test_a_stem_has_three_letters_at_least(word: str) -> None:
    assert len(stem(word)) >= min(3, len(word))


def test_text_is_folded() -> None:
    assert normal("  Crème\n BRÛLÉE ") == "creme brulee"
    assert words("The user’s half-eaten Café-crème, isn't it?") == (
        ["the", "user", "half", "eaten", "cafe", "creme", "isn't", "it"]
    )


def test_stop_words_carry_nothing() -> None:
    assert content("This is what I would like, and it's all mine") == []
    assert content("Lord of the Rings") == ["lord", "ring"]


def test_words_are_counted_as_a_reader_would() -> None:
    assert count("Your hobby is hiking.") == 4
    assert count("") == count("🍕 ...") == 0
    assert count("私の趣味は登山です") == 5  # nine characters
