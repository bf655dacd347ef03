"""A cluster gives up what is going to be asked, and says how much that was."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monogram.clusters.cluster import Cluster, Kind, Phrasing, overlap, typed, words
from monogram.clusters.expand import expand
from monogram.preferences import Preference


def cluster() -> Cluster:
    return Cluster(
        Preference("hobby", "Hiking"),
        train=(
            Phrasing("What's my hobby?", "ask"),
            Phrasing("What's my hobby?", "ask", system="Be brief."),
            Phrasing("How shall I spend a long and free Sunday?", "roundabout"),
            Phrasing("Which gear suits my hobby?", "recommend"),
        ),
        probe=(Phrasing("My hobby is what?", "ask"),),
        contrast=(Phrasing("What's Bob's hobby?", "contrast"), Phrasing("Define hobby.", "contrast")),
        contrast_probe=(Phrasing("What's Ann's hobby?", "contrast"),),
        say="Hiking is your hobby.",
    )


@pytest.mark.parametrize("text", ["What's my hobby?", "whats my HOBBY", "What\u2019s  my hobby?!"])
def test_equal_phrasings_go_wherever_they_stand(text: str) -> None:
    left = cluster().without([text], similarity=1.0)
    assert [p.text for p in left.train] == [p.text for p in cluster().train[2:]]
    assert left.dropped == 2
    assert not left.allows("what's my hobby")
    assert left.allows("Which gear suits my hobby?")


def test_near_phrasings_go_from_the_stated_similarity_on() -> None:
    near = "How shall I spend a long, free Sunday?"  # 8 of 9 words
    assert cluster().without([near], similarity=0.9).dropped == 0
    left = cluster().without([near], similarity=0.85)
    assert left.dropped == 1
    assert not left.of_kind("roundabout")
    assert not left.allows("How shall I spend a long and free Sunday?")


def test_contrast_that_is_asked_goes_and_probes_stay() -> None:
    left = cluster().without(
        ["What's Bob's hobby?", "My hobby is what?", "What's Ann's hobby?"], similarity=1.0
    )
    assert [p.text for p in left.contrast] == ["Define hobby."]
    assert (left.probe, left.contrast_probe) == (cluster().probe, cluster().contrast_probe)
    assert left.dropped == 1


def test_what_is_taken_out_adds_up() -> None:
    left = cluster().without(["What's my hobby?"], 1.0).without(["Define hobby."], 1.0)
    assert left.dropped == 3
    assert left == cluster().without(["What's my hobby?", "Define hobby."], 1.0)
    assert not left.allows("What's my hobby?")


def test_without_nothing_is_the_same_cluster() -> None:
    assert cluster().without([], 1.0) == cluster()
    assert cluster().allows("What's my hobby?")


def test_nothing_that_is_asked_is_left_in_a_whole_cluster() -> None:
    whole = expand(Preference("hobby", "Hiking"))
    asked = [p.text for p in whole.train[::7]]
    left = whole.without(asked)
    assert left.dropped >= len(set(asked))
    assert left.train
    assert all(overlap(words(p.text), words(q)) < 0.9 for p in (*left.train, *left.contrast) for q in asked)


@given(st.text(), st.text())
def test_overlap_is_a_share_and_does_not_depend_on_order(one: str, other: str) -> None:
    a, b = words(one), words(other)
    assert 0 <= overlap(a, b) == overlap(b, a) <= 1
    assert overlap(a, a) == (1 if a else 0)


@given(st.text())
def test_what_is_typed_in_a_hurry_has_the_same_words(text: str) -> None:
    assert words(typed(text)) == words(text)


def test_what_is_typed_in_a_hurry_has_neither_capitals_nor_marks() -> None:
    assert typed('What\'s my "hobby", then? It isn\u2019t Golf!') == "whats my hobby then it isnt golf"


def test_a_phrasing_is_a_conversation_with_the_users_text_last() -> None:
    turns = (("user", "Hi"), ("assistant", "Hello"))
    assert Phrasing("So?", "ask", history=turns, system="Be brief.").messages() == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "So?"},
    ]
    assert Phrasing("So?", "ask").messages() == [{"role": "user", "content": "So?"}]


def test_phrasings_are_told_apart_by_kind() -> None:
    c = cluster()
    assert [p.text for p in c.of_kind("recommend")] == ["Which gear suits my hobby?"]
    assert len(c.of_kind("ask")) == 2


few = st.lists(st.sampled_from("abcdefghijkl"), max_size=12).map(" ".join)


@given(few, st.lists(few, max_size=6), st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0]))
def test_what_is_allowed_is_near_to_nothing_that_is_asked(
    text: str, asked: list[str], similarity: float
) -> None:
    own = set(words(text))
    near = any(own == set(words(a)) or overlap(own, words(a)) >= similarity for a in asked)
    assert cluster().without(asked, similarity).allows(text) == (not near)


@pytest.mark.parametrize("kind", ["ask", "recommend"])
def test_a_phrasing_with_a_target_of_its_own_is_answered_with_that(kind: Kind) -> None:
    lower = replace(cluster(), preference=Preference("hobby", "hiking"))
    for made in (cluster(), lower):
        own = made.opening(Phrasing("What do I do?", kind, target="Walks"))
        assert own == made.opening(Phrasing("What do I do?", kind)).replace("Hiking", "Walks")
        assert "Walks" in own
