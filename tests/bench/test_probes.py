"""Probes: made from the items, about somebody or something else, never about the preference itself."""

import pytest

from monogram.bench.probes import (
    NAMES,
    RELATIVES,
    crosstalk_questions,
    leak_questions,
    put_to_assistant,
    same_attribute,
)
from monogram.clusters.expand import expand
from monogram.clusters.pool import pool
from monogram.preferences import Preference
from tests.bench.records import item, same

DIRECT = {
    "hobby": "What's my hobby?",
    "job": "What's my job?",
    "profession": "What's my profession?",
    "pet": "What's my pet?",
    "location": "Where do I live?",
}


def test_leak_questions_are_about_a_person_a_relative_and_the_word() -> None:
    assert leak_questions(item()) == {
        "person": "What's Omar's hobby?",
        "relative": "What's my godmother's hobby?",
        "definition": "What is a hobby?",
    }


def test_an_items_own_question_about_somebody_else_is_asked() -> None:
    asked = leak_questions(item(leak="What does my sister collect?"))
    assert asked == {"written": "What does my sister collect?", "definition": "What is a hobby?"}


def test_whom_clusters_know_is_never_who_is_asked_about() -> None:
    cluster = expand(Preference("hobby", "Hiking"))
    trained = " ".join(p.text for p in (*cluster.train, *cluster.contrast))
    trained += " ".join(entry.phrasing.text for entry in pool())
    for somebody in (*NAMES, *RELATIVES):
        assert somebody.casefold() not in trained.casefold()


def test_names_change_from_item_to_item() -> None:
    asked = {tuple(leak_questions(item(index=index)).values()) for index in range(10)}
    assert len(asked) == 10


@pytest.mark.parametrize(
    ("direct", "attribute", "person", "relative"),
    [
        ("Where is my family?", "family", "Where is Omar's family?", "Where is my godmother's family?"),
        ("My pet is what?", "pet", "Omar's pet is what?", "My godmother's pet is what?"),
        ("What do I do in my job?", "job", "What is Omar's job?", "What is my godmother's job?"),
        ("Where do I live?", "location", "What is Omar's location?", "What is my godmother's location?"),
    ],
)
def test_the_direct_question_is_turned_to_somebody_else(
    direct: str, attribute: str, person: str, relative: str
) -> None:
    asked = leak_questions(item(direct=direct, attribute=attribute))
    assert (asked["person"], asked["relative"]) == (person, relative)


@pytest.mark.parametrize(
    ("attribute", "definition"),
    [
        ("entertainment preference", "What is an entertainment preference?"),
        ("favorite food", "What is favorite food?"),
        ("household chores", "What are household chores?"),
        ("fitness", "What is a fitness?"),
    ],
)
def test_definitions_have_their_article(attribute: str, definition: str) -> None:
    assert leak_questions(item(attribute=attribute))["definition"] == definition


def test_crosstalk_leaves_out_the_attribute_and_what_means_the_same() -> None:
    asked = crosstalk_questions(item(attribute="profession", direct=DIRECT["profession"]), DIRECT, same)
    assert set(asked) == {"hobby", "pet", "location"}
    assert asked["location"] == "Where do I live?"


def test_synonyms_are_the_tables() -> None:
    alike = same_attribute()
    assert alike("job", "Profession")
    assert alike("shoe lacing", "Shoe Lacing")
    assert not alike("job", "hobby")


def test_a_limited_choice_goes_round_the_attributes() -> None:
    chosen = [crosstalk_questions(item(index=index), DIRECT, same, 2) for index in range(4)]
    assert [list(asked) for asked in chosen] == [["job", "profession"], ["pet", "location"]] * 2
    assert crosstalk_questions(item(), DIRECT, same, 99) == crosstalk_questions(item(), DIRECT, same)


def test_a_file_about_one_attribute_is_asked_about_common_ones() -> None:
    asked = crosstalk_questions(item(), {"hobby": "What's my hobby?"}, same)
    assert len(asked) >= 6
    assert "hobby" not in asked
    assert asked["job"] == "What's my job?"


@pytest.mark.parametrize(
    "question",
    [
        "How was your day at the shop?",
        "What are your thoughts on long trips?",
        "Mine was awful. How was yours?",
        "Do you enjoy Mondays?",
        "What’s it like where you’re from?",
    ],
)
def test_questions_put_to_the_assistant_are_recognised(question: str) -> None:
    assert put_to_assistant(question)


@pytest.mark.parametrize(
    "question",
    [
        "What do you think I should cook?",
        "How do you think my evenings look?",
        "It's my day off. Can you suggest something?",
        "Which shows would you recommend?",
        "How could I spend Sunday?",
        "Just back from a long shift",
        "",
    ],
)
def test_questions_about_the_user_are_not(question: str) -> None:
    assert not put_to_assistant(question)
