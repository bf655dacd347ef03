"""Rules alone read plain sentences about oneself, and leave everything else alone."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monogram.clusters.corpus import exams, histories, unrelated, unrelated_probes
from monogram.clusters.extract import propose
from monogram.clusters.rules import Rules, understood
from monogram.clusters.table import table
from monogram.preferences import POLARITIES
from tests.clusters import labels

OWN = labels.own()


def read(text: str) -> list[tuple[str, str, str]]:
    return [(p.attribute, p.target, p.polarity) for p in Rules().read([text])]


@pytest.mark.parametrize("one", OWN, ids=[str(one["said"])[:40] for one in OWN])
def test_the_projects_own_sentences_are_read_as_labelled(one: dict[str, object]) -> None:
    found = propose(one["said"], Rules())  # type: ignore[arg-type]
    assert [[p.attribute, p.target, p.polarity] for p in found] == one["is"]


def test_there_are_enough_of_them_of_either_kind() -> None:
    assert len(OWN) >= 60
    assert sum(not one["is"] for one in OWN) >= 20
    assert len({name for one in OWN for name, _, _ in one["is"]}) >= 40


def test_on_persona_statements_rules_reach_their_goals() -> None:
    """docs/log.md has the figures of each block as they were when it had not been seen yet."""
    for first, last in labels.BLOCKS:
        found = labels.score(Rules(), labels.personas(first, last))
        assert found.attribute >= 0.6, found
        assert found.target >= 0.7, found
        assert found.alone >= 0.9, found


def test_what_people_ask_an_assistant_is_left_alone() -> None:
    asked = [*exams(), *unrelated(), *unrelated_probes()]
    asked += [text for turns in histories() for role, text in turns if role == "user"]
    asked += [t for a in table() for t in (*a.ask, *a.roundabout, *a.recommend, *a.others)]
    assert len(asked) > 4000
    taken = [text for text in asked if read(text)]
    assert len(taken) <= 0.002 * len(asked), taken


def test_the_statement_is_kept_with_what_it_says() -> None:
    one, other = Rules().read(["Hey! I'm a nurse and I love tea. Bye."])
    assert (one.target, other.target) == ("nurse", "tea")
    assert one.statement == other.statement == "I'm a nurse and I love tea."


def test_where_somebody_comes_from_gives_way_to_where_they_live() -> None:
    assert read("I live in Boston but I grew up in Ohio.") == [("location", "Boston", "fact")]
    assert read("I grew up in Ohio.") == [("location", "Ohio", "fact")]


def test_an_attribute_of_ones_own_is_taken_by_its_name() -> None:
    assert read("My favorite knot is the bowline.") == [("favorite knot", "bowline", "likes")]
    assert read("My favorite thing that ever happened to me is a long story.") == []


def test_a_guess_is_told_apart_from_what_is_sure() -> None:
    assert [found.guess for found in understood("I love hiking") or []] == [False]
    assert [found.guess for found in understood("I love zorbing") or []] == [True]
    assert understood("The sky is blue") == []
    assert understood("I had a dog") is None


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from([*(one["said"] for one in OWN if isinstance(one["said"], str)), *string.punctuation])
    )
)
def test_whatever_is_put_together_what_is_found_can_be_kept(parts: list[str]) -> None:
    for p in Rules().read([" ".join(parts)]):
        assert p.polarity in POLARITIES
        assert 0 < len(p.target) <= 200
        assert p == type(p).checked(p.attribute, p.target, p.statement, p.polarity)


@given(st.text(max_size=300))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    for lead in ("", "I love ", "My name is ", "I am a ", "I have "):
        Rules().read([lead + text])
