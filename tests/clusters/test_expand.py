"""One preference becomes a cluster: three kinds of phrasings, look-alikes beside them, some kept back."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monogram.clusters.cluster import KINDS, Cluster, typed, words
from monogram.clusters.expand import HELD_OUT, expand, expand_all, expand_from_lists, first_person
from monogram.clusters.table import table
from monogram.preferences import Polarity, Preference
from monogram.scoring import recommends

ODD = (
    "favourite {target}",
    "{0} {unclosed",
    'so-called "gear"',
    "partner's {name}'s horse",
    "🎸",
    "любимый цвет",
    "好きな色",
    "%s \\n {{}}",
)
NAMES = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)


def norm(text: str) -> str:
    return " ".join(words(text))


def plain(c: Cluster) -> set[str]:
    return {norm(p.text) for p in c.train}


def test_every_attribute_of_the_table_becomes_a_whole_cluster() -> None:
    for a in table():
        c = expand(Preference(a.name, "Xyz"))
        for kind in KINDS:
            assert len(c.of_kind(kind)) >= 12, (a.name, kind)
            assert sum(p.kind == kind for p in c.probe) == HELD_OUT
        assert len(c.contrast) >= 30
        assert len(c.contrast_probe) >= 3
        assert {p.kind for p in c.contrast} == {"contrast", "definition"}
        assert {p.kind for p in c.contrast_probe} == {"contrast"}
        assert "Xyz" in c.say


def test_probes_never_train_and_contrast_is_never_wanted() -> None:
    for name in (*(a.name for a in table()), "shoe size of my horse", "favorite knot"):
        c = expand(Preference(name, "Xyz"))
        probes = {norm(p.text) for p in c.probe}
        contrast = {norm(p.text) for p in c.contrast}
        held_out = {norm(p.text) for p in c.contrast_probe}
        assert not plain(c) & probes, name
        assert not (plain(c) | probes) & (contrast | held_out), name
        assert not contrast & held_out, name


def test_the_target_trains_nothing_but_the_answer() -> None:
    c = expand(Preference("hobby", "Xyz"))
    assert not any("Xyz" in p.text for p in (*c.train, *c.probe, *c.contrast, *c.contrast_probe))
    assert c.say == "Xyz is your hobby."


@pytest.mark.parametrize(
    ("attribute", "target", "said"),
    [
        ("allergy", "Peanuts", "You avoid peanuts."),
        ("allergy", "MSG", "You avoid MSG."),
        ("disliked food", "Blue cheese", "You avoid blue cheese."),
        ("favorite knot", "bowline", "You avoid bowline."),
    ],
)
def test_what_is_avoided_is_said_so_that_it_is_safe_to_say(attribute: str, target: str, said: str) -> None:
    avoided = expand(Preference(attribute, target, polarity="avoids"))
    assert {avoided.opening(phrasing) for phrasing in avoided.train} == {said}
    assert not recommends(target, f"{said} Try the soup.")


def test_several_values_of_one_attribute_are_said_together() -> None:
    nuts, fish = (Preference("allergy", t, polarity="avoids") for t in ("peanuts", "shellfish"))
    pets = [Preference(name, t) for name, t in (("pet", "a cat"), ("pets", "a dog"), ("pet", "bees"))]
    hobby = Preference("hobby", "Hiking")
    found = expand_all([nuts, hobby, pets[0], fish, pets[1], pets[2]])
    said = [c.preference.target for c in found]
    assert said == ["peanuts and shellfish", "Hiking", "a dog, bees and a cat"]
    assert found[0].say == "You avoid peanuts and shellfish."
    assert found[0].variants == ("peanuts", "shellfish")
    assert found[1] == expand(hobby)
    assert (
        expand_all([Preference("pet", "cat"), Preference("pet", "dog")])[0].say == "Cat and dog are your pet."
    )
    apart = [Preference("drink", "tea"), Preference("drink", "wine", polarity="avoids")]
    assert [c.preference.target for c in expand_all(apart)] == ["tea", "wine"]  # never as one
    assert expand_all([]) == []


def test_a_cluster_hangs_on_the_set_of_its_values_alone() -> None:
    pets = [Preference("pet", t) for t in ("a cat", "a dog", "bees")]
    (first, *others) = [expand_all(order) for order in permutations(pets)]
    assert all(other == first for other in others)


def test_phrasings_stand_alone_in_conversations_and_under_system_prompts() -> None:
    c = expand(Preference("hobby", "Hiking"))
    alone = [p for p in c.train if not p.history and p.system is None and p.text != typed(p.text)]
    within = [p for p in c.train if p.history]
    under = [p for p in c.train if p.system is not None]
    assert len(alone) == len({norm(p.text) for p in alone}) > len(within) + len(under)
    for placed in (within, under):
        assert {p.kind for p in placed} == set(KINDS)
        assert {norm(p.text) for p in placed} <= {norm(p.text) for p in alone}
    assert len({p.system for p in under}) > 3


def test_some_of_it_is_typed_in_a_hurry_and_goes_with_the_question_it_is() -> None:
    c = expand(Preference("hobby", "Hiking"))
    hasty = [p for p in c.train if p.text == typed(p.text)]
    assert {p.kind for p in hasty} == set(KINDS)
    assert len(c.train) / 5 < len(hasty) < len(c.train) / 3
    assert any(p.text == typed(p.text) and p.text.startswith("whats ") for p in c.contrast)
    asked = next(
        p.text for p in c.train if p.text != typed(p.text) and typed(p.text) in {h.text for h in hasty}
    )
    left = c.without([asked])
    assert not {asked, typed(asked)} & {p.text for p in (*left.train, *left.contrast)}


def test_synonyms_ask_too_and_the_given_name_comes_first() -> None:
    c = expand(Preference("Pastime", "Hiking"))
    assert {"whats my pastime", "what is my pastime"} <= plain(c)
    assert any("hobby" in text for text in plain(c))
    assert any(norm(p.text) == "whats graces pastime" for p in c.contrast_probe)
    assert any("pastime" in norm(p.text) for p in c.contrast)


@pytest.mark.parametrize("name", ["where I live", "how I work best", "what to call the user"])
def test_clauses_are_looked_up_but_never_put_after_my(name: str) -> None:
    assert table().find(name) is not None
    c = expand(Preference(name, "Xyz"))
    for p in (*c.train, *c.contrast, *c.contrast_probe):
        assert norm(name) not in norm(p.text), p.text


@pytest.mark.parametrize("name", ODD)
def test_an_attribute_of_any_spelling_is_made_from_its_own_words(name: str) -> None:
    c = expand(Preference(name, "{target} Xyz"))
    assert c.say == f"{{target}} Xyz is your {name}."
    low = name.lower()
    assert any(p.text == f"What's my {low}?" for p in c.train) or any(f"my {name}" in p.text for p in c.train)
    for kind in KINDS:
        assert len(c.of_kind(kind)) >= 4
        assert sum(p.kind == kind for p in c.probe) == HELD_OUT
    assert any(f"{low}?" in p.text for p in c.contrast)
    assert all(typed(name) in typed(p.text) for p in (*c.train, *c.contrast))


@given(NAMES, NAMES)
def test_no_name_and_no_target_breaks_a_cluster(name: str, target: str) -> None:
    c = expand(Preference.checked(name, target))
    assert Preference.checked(name, target).target[1:] in c.say
    assert not plain(c) & {norm(p.text) for p in c.probe}
    assert not plain(c) & {norm(p.text) for p in (*c.contrast, *c.contrast_probe)}


def test_the_same_preference_gives_the_same_cluster() -> None:
    assert expand(Preference("hobby", "Hiking")) == expand(Preference("hobby", "Hiking"))


@pytest.mark.parametrize(
    ("question", "mine"),
    [
        ("What's your pastime?", "What's my pastime?"),
        ("Your pastime?", "My pastime?"),
        ("What do you do in your spare time?", "What do I do in my spare time?"),
        ("What are your interests?", "What are my interests?"),
        ("Are you a cook?", "Am I a cook?"),
        ("Where are you from?", "Where am I from?"),
        ("Who do you say you are?", "Who do I say I am?"),
        ("How old were you?", "How old was I?"),
        ("What were your plans?", "What were my plans?"),
        ("What matters to you?", "What matters to me?"),
        ("Is that dog with you, and is it yours?", "Is that dog with me, and is it mine?"),
        ("You're fond of yourself?", "I'm fond of myself?"),
        ("What's my hobby?", "What's my hobby?"),
    ],
)
def test_a_question_to_the_assistant_is_turned_to_the_user(question: str, mine: str) -> None:
    assert first_person(question) == mine


def test_a_data_sets_questions_train_and_nothing_else() -> None:
    made = expand_from_lists(
        Preference("hobby", "Hiking"),
        ["pastime", "interest", "hobby"],
        ["What's your pastime?", "What's your main interest?", "whats my pastime", "What's my hobby?"],
        ["Trekking", "Hiking", "Trekking", "Walks"],
    )
    assert len(made.train) == 3
    assert {p.text for p in made.train} == {
        "What's my pastime?",
        "What's my main interest?",
        "What's my hobby?",
    }
    assert {p.kind for p in made.train} == {"ask"}
    assert made.variants == ("Trekking", "Walks")
    whole = expand(Preference("hobby", "Hiking"))
    assert (made.probe, made.say) == (whole.probe, whole.say)
    for name in ("pastime", "interest", "hobby"):
        assert any(name in p.text for p in made.contrast)
    assert not plain(made) & {norm(p.text) for p in made.contrast}


@pytest.mark.parametrize(("name", "polarity"), [("fabric to avoid", "likes"), ("fabric", "avoids")])
def test_what_is_avoided_is_asked_for_as_such_and_its_look_alikes_are_told_apart(
    name: str, polarity: Polarity
) -> None:
    cluster = expand(Preference(name, "wool", polarity=polarity))
    asked = {p.text for p in (*cluster.train, *cluster.probe)}
    others = {p.text for p in (*cluster.contrast, *cluster.contrast_probe)}
    assert {"Which fabric should I avoid?", "What fabric can't I stand?", f"Which {name} do I have?"} <= asked
    assert {"Which fabric should Emma avoid?", f"Which {name} does Emma have?"} <= others
    assert not asked & others
    plain = {p.text for p in expand(Preference("coffee order", "black")).train}
    assert not any("avoid" in text for text in plain)
