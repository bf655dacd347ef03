"""Preferences side by side: one value or several, the same by another name, and what is meant."""

import pytest

from monogram.clusters.group import changes, from_words, meant, reads_same, twin
from monogram.clusters.table import table
from monogram.errors import InputError, UnknownNameError
from monogram.preferences import Preference as P

HIKING, CHESS = P("hobby", "Hiking"), P("hobby", "Chess")
ROME, BOSTON = P("location", "Rome", polarity="fact"), P("home city", "Boston", polarity="fact")


def after(held: list[P], *new: P) -> tuple[list[tuple[str, str]], list[str]]:
    steps, left = changes(table(), held, new)
    return [(kind, p.target) for kind, p in steps], [p.target for p in left]


def test_one_value_at_a_time_is_replaced_by_the_new_one() -> None:
    assert after([ROME], BOSTON) == ([("replaced", "Rome"), ("added", "Boston")], ["Boston"])
    assert after([], ROME, BOSTON) == (
        [("added", "Rome"), ("replaced", "Rome"), ("added", "Boston")],
        ["Boston"],
    )


@pytest.mark.parametrize("attribute", ["allergy", "languages spoken", "pet", "hobby"])
def test_several_values_stand_side_by_side(attribute: str) -> None:
    assert after([P(attribute, "one thing")], P(attribute, "another"))[1] == ["one thing", "another"]


def test_an_attribute_that_is_not_in_the_table_has_one_value() -> None:
    assert after([P("favorite knot", "bowline")], P("Favorite Knot", "sheet bend"))[1] == ["sheet bend"]


def test_attributes_that_mean_the_same_are_one() -> None:
    held = [P("profession", "nurse", polarity="fact")]
    assert after(held, P("Job", "teacher", polarity="fact"))[1] == ["teacher"]
    assert after(held, P("occupation", "a Nurse.", polarity="fact")) == ([], ["nurse"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(
            ("Hiking", "hiking!"),
            ("a cat", "The cats"),
            ("two dogs", "2 dogs"),
            ("Sci-Fi films", "science fiction movies"),
        ),
        *(("my bike", "bicycle"), ("kids", "children"), ("TV", "television"), ("vegan", " Vegan. ")),
    ],
)
def test_the_same_in_other_words_is_one(one: str, other: str) -> None:
    assert reads_same(one, other)
    assert reads_same(other, one)
    assert after([P("hobby", one)], P("hobby", other)) == ([], [one])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("C", "C++"), ("tennis", "table tennis"), ("religious", "not religious"), ("peanuts", "tree nuts")),
        *(("🎸", "🎹"), ("...", "!!"), ("red wine", "white wine"), ("登山", "温泉")),
    ],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    assert not reads_same(one, other)
    assert after([P("hobby", one)], P("hobby", other))[1] == [one, other]


def test_embeddings_may_say_that_two_are_the_same() -> None:
    held, new = [P("profession", "lawyer", polarity="fact")], P("profession", "jurist", polarity="fact")
    assert twin(table(), held, new) is None
    assert twin(table(), held, new, lambda a, b: {a, b} == {"lawyer", "jurist"}) is held[0]
    assert changes(table(), held, [new], lambda *_: True) == ([], tuple(held))


def test_what_was_liked_and_is_now_avoided_is_replaced() -> None:
    steps, left = after(
        [P("food preference", "olives"), HIKING], P("disliked food", "Olives", polarity="avoids")
    )
    assert steps == [("replaced", "olives"), ("added", "Olives")]
    assert left == ["Hiking", "Olives"]
    fact = P("profession", "baker", polarity="fact")
    assert after([fact], P("hobby", "baker"))[1] == ["baker", "baker"]  # a fact stands beside a liking


def test_a_polarity_that_turned_replaces_even_where_values_stand_side_by_side() -> None:
    assert after([P("drink", "wine")], P("drink", "wine", polarity="avoids"))[0] == [
        ("replaced", "wine"),
        ("added", "wine"),
    ]


def test_forgetting_means_all_of_an_attribute_or_just_one_target() -> None:
    held = [HIKING, CHESS, ROME]
    assert meant(table(), "alice", held, "pastime") == (HIKING, CHESS)
    assert meant(table(), "alice", held, "chess") == (CHESS,)
    assert meant(table(), "alice", held, " the hiking ") == (HIKING,)
    with pytest.raises(UnknownNameError, match="Did you mean 'Chess'"):
        meant(table(), "alice", held, "chees")


@pytest.mark.parametrize("given", [(None, "x"), ("x", None), (None, None)])
def test_half_a_preference_is_told_what_to_give(given: tuple[str | None, str | None]) -> None:
    with pytest.raises(InputError, match="Give attribute= and target="):
        from_words(table(), *given)
