"""The data that rules go by speaks of attributes that exist, and the small English around it is English."""

import re

import pytest

from monogram.clusters.grammar import folded, gerund, grammar
from monogram.clusters.table import table


def test_every_attribute_that_forms_verbs_and_words_tell_is_in_the_table() -> None:
    known = set(table().names)
    rules = grammar()
    for form in rules.forms:
        told = {*form.tells, *form.also, *form.only, form.as_, form.otherwise} - {""}
        assert told <= known, form.say[0].pattern
        assert set(form.words) <= set(rules.words), form.say[0].pattern
    for name, verb in rules.verbs.items():
        assert {verb.of, verb.alone, *verb.or_} - {""} <= known, name
        assert verb.of or verb.alone or verb.or_, name
    for section, words in rules.words.items():
        assert set(words.values()) <= known, section


def test_every_form_does_one_thing() -> None:
    for form in grammar().forms:
        does = [form.skip, form.named, form.doing, form.plain, bool(form.words), bool(form.tells)]
        assert sum(does) == 1, form.say[0].pattern
        assert form.polarity in ("", "likes", "avoids", "fact")
        assert not any(re.search(r"<\w+>", pattern.pattern.replace("(?P<", "")) for pattern in form.say)


def test_most_attributes_can_be_told() -> None:
    rules = grammar()
    told = {name for form in rules.forms for name in (*form.tells, *form.also, form.as_, form.otherwise)}
    told |= {name for words in rules.words.values() for name in words.values()}
    assert set(table().names) - told == set()


@pytest.mark.parametrize(
    ("verb", "doing"),
    [
        *(
            ("run", "running"),
            ("dance", "dancing"),
            ("see", "seeing"),
            ("lie", "lying"),
            ("visit", "visiting"),
        ),
        *(
            ("swim laps", "swimming laps"),
            ("play the flute", "playing the flute"),
            ("hiking", "hiking"),
            ("ski", "skiing"),
        ),
        *(("sing", "singing"), ("bring tea", "bringing tea"), ("cook", "cooking"), ("", "ing")),
    ],
)
def test_a_verb_becomes_a_doing(verb: str, doing: str) -> None:
    assert gerund(verb) == doing


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("movie", "movies"),
        ("hobby", "hobbies"),
        ("dish", "dishes"),
        ("class", "classes"),
        ("bus", "bus"),
    ],
)
def test_one_and_many_are_compared_as_one(one: str, many: str) -> None:
    assert folded(one) == folded(many.upper())


@pytest.mark.parametrize(
    ("taken", "target"),
    [
        ("a golden retriever named Max", "golden retriever named Max"),
        ("hiking every weekend with my dog because it is fun", "hiking"),
        ("the Beatles", "the Beatles"),
        ("the old town", "old town"),
        ("some really spicy food, especially curry", "spicy food"),
        ("it", ""),
        ("how you explain things", ""),
        ("  'Dune'. ", "Dune"),
    ],
)
def test_a_target_is_what_was_taken_without_what_is_around_it(taken: str, target: str) -> None:
    assert grammar().target(taken) == target


def test_an_enumeration_is_taken_apart_and_a_name_is_not() -> None:
    pieces = grammar().pieces
    assert pieces("tea, coffee and cake") == ["tea", "coffee", "cake"]
    assert pieces("mac and cheese") == ["mac and cheese"]
    assert pieces("walking slowly through the old town at night and eating") == [
        "walking slowly through the old town at night and eating"
    ]
