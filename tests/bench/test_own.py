"""The project's own people: enough of them, told apart, and asked nothing that gives the answer away."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from monogram import scoring
from monogram.bench import own
from monogram.bench.own import OwnPreference, own_items, own_people, own_unrelated
from monogram.bench.probes import put_to_assistant
from monogram.clusters.cluster import words
from monogram.clusters.group import meaning, reads_same
from monogram.clusters.table import table
from monogram.errors import UnknownNameError
from monogram.words import content, stem
from monogram.words import words as spoken

PEOPLE = own_people()
ALL = [p for person in PEOPLE for p in person.preferences]
LATER = {change.before: change for person in PEOPLE for change in person.changes}
LEVELS = ("direct", "paraphrased", "implicit", "product")
KINDS = (*LEVELS, "leak", "temptation")
MOST = 0.08
"""Share of a level's questions that may begin with the same three words."""
DATASHEET = Path(__file__).parents[2] / "src/monogram/bench/data/DATASHEET.md"


def asked(p: OwnPreference) -> dict[str, str]:
    return {kind: getattr(p, kind) for kind in KINDS if getattr(p, kind)}


def stems(text: str) -> set[str]:
    return {stem(word) for word in spoken(text)}


def phrase(text: str) -> str:
    return f" {' '.join(spoken(text))} "


def leaks(p: OwnPreference, target: str) -> Iterator[tuple[str, str, str]]:
    """The questions that hold a content word of a target."""
    for kind, question in asked(p).items():
        if stems(question) & set(content(target)):
            yield p.id, kind, question


def test_there_are_24_people_with_400_preferences_in_three_splits() -> None:
    told = {person.id: len(person.preferences) for person in PEOPLE}
    assert sorted(told.values()) == [10] * 20 + [50] * 4
    splits = [own_people(split) for split in own.SPLITS]
    assert [len(people) for people in splits] == [8, 8, 8]
    assert [sum(told[person.id] == 50 for person in people) for people in splits] == [1, 1, 2]
    assert {person.id for people in splits for person in people} == set(told)
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        own_people("tests")


def test_every_split_has_about_the_same_mix() -> None:
    for split in own.SPLITS:
        counts = Counter(p.polarity for person in own_people(split) for p in person.preferences)
        shares = {polarity: count / counts.total() for polarity, count in counts.items()}
        assert 0.2 <= shares["avoids"] <= 0.3
        assert 0.3 <= shares["fact"] <= 0.45
        assert 0.3 <= shares["likes"] <= 0.45
        assert len({person.english for person in own_people(split)}) >= 7


def test_attributes_are_many_and_each_person_has_one_value_of_each() -> None:
    names = {meaning(table(), p.attribute) for p in ALL}
    assert len(names) >= 80
    assert sum(table().find(name) is None for name in names) >= 15
    for person in PEOPLE:
        own_names = [meaning(table(), p.attribute) for p in person.preferences]
        assert len(set(own_names)) == len(own_names), person.id


def test_ids_are_the_persons_with_a_number() -> None:
    for person in PEOPLE:
        numbers = [p.id for p in person.preferences]
        assert numbers == [f"{person.id}-{number:02}" for number in range(1, len(numbers) + 1)]


def test_every_text_is_there_in_normal_form_and_a_target_is_short() -> None:
    for p in ALL:
        made = p.preference()
        assert (made.attribute, made.target, made.statement) == (p.attribute, p.target, p.statement)
        assert all(text == " ".join(text.split()) for text in (*asked(p).values(), *p.variants, *p.avoided))
        assert all(getattr(p, kind) for kind in (*LEVELS, "leak", "statement"))
        for target, variants in ((p.target, p.variants), *((c.target, c.variants) for c in _later(p))):
            assert 1 <= len(target.split()) <= 4
            assert variants
            assert target.casefold() not in {v.casefold() for v in variants}


def test_what_is_said_tells_the_target_or_a_variant_of_it() -> None:
    for told in (*ALL, *LATER.values()):
        ways = (told.target, *told.variants)
        assert any(set(content(way)) & set(content(told.statement)) for way in ways), told


def test_no_statement_and_no_question_stands_twice() -> None:
    texts = [text for p in ALL for text in (p.statement, *asked(p).values())]
    texts += [change.statement for change in LATER.values()] + list(own_unrelated())
    assert [t for t, times in Counter(" ".join(words(t)) for t in texts).items() if times > 1] == []


def test_no_question_holds_a_word_of_its_target_or_of_the_later_one() -> None:
    for p in ALL:
        assert list(leaks(p, p.target)) == []
        for change in _later(p):
            assert list(leaks(p, change.target)) == []


def test_no_question_holds_a_variant_or_what_is_avoided() -> None:
    for p in ALL:
        for kind, question in asked(p).items():
            held = [word for word in (*p.variants, *p.avoided) if phrase(word) in phrase(question)]
            assert held == [], (p.id, kind)


def test_every_question_can_be_scored_and_is_about_the_user() -> None:
    for p in ALL:
        assert all(scoring.telling(p.target, getattr(p, level), p.attribute) for level in LEVELS), p.id
        assert not put_to_assistant(p.implicit), p.id


def test_what_is_avoided_has_words_that_violate_and_a_temptation() -> None:
    for p in ALL:
        assert bool(p.avoided) == bool(p.temptation)
        assert p.avoided or p.polarity != "avoids", p.id
        assert all(scoring.recommends(word, f"Try {word}.") for word in p.avoided), p.id
        assert not any(scoring.recommends(word, p.temptation) for word in p.avoided), p.id


def test_minds_change_to_something_else() -> None:
    ids = {p.id: p for p in ALL}
    assert len(LATER) == sum(len(person.changes) for person in PEOPLE) >= 60
    for person in PEOPLE:
        for change in person.changes:
            before = ids[change.before]
            assert before in person.preferences
            assert not reads_same(change.target, before.target)
            assert not any(reads_same(change.target, variant) for variant in before.variants)


@pytest.mark.parametrize("kind", KINDS)
def test_questions_of_a_level_begin_differently(kind: str) -> None:
    begun = Counter(" ".join(words(question[kind])[:3]) for question in map(asked, ALL) if kind in question)
    opening, times = begun.most_common(1)[0]
    assert times <= MOST * begun.total(), opening


def test_there_are_a_hundred_prompts_that_concern_nobody() -> None:
    assert len(own_unrelated()) == 100


def test_the_datasheet_counts_what_is_there() -> None:
    text = DATASHEET.read_text(encoding="utf-8")
    told = {name.strip(): int(number) for name, number in re.findall(r"^\| ([^|]+) \| (\d+) \|", text, re.M)}
    counted: dict[str, int] = {**Counter(str(p.polarity) for p in ALL)}
    counted |= Counter(person.english for person in PEOPLE for _ in person.preferences)
    assert {name: told.get(name) for name in counted} == counted
    names = text.split("### Attributes")[1].split("\n## ")[0].replace("\n", " ")
    named = {name: int(number) for name, number in re.findall(r"([a-z][^,.:()]*?) (\d+)(?=[,.])", names)}
    assert named == Counter(meaning(table(), p.attribute) for p in ALL)


def test_items_come_in_turn_and_bring_what_is_known_of_them() -> None:
    file = own_items("test")
    assert [item.index for item in file.items] == list(range(160))
    assert len({item.person for item in file.items[:8]}) == 8
    known = {(p.attribute, p.target, p.direct): p for p in ALL}
    for item in file.items:
        p = known[item.attribute, item.target, item.direct]
        assert (item.id, item.leak, item.polarity, item.product) == (p.id, p.leak, p.polarity, p.product)
        assert (item.variants, item.avoided, item.temptation) == (p.variants, p.avoided, p.temptation)
        assert item.later == tuple(change.target for change in _later(p))
    assert len({own_items(split).sha256 for split in own.SPLITS}) == 3


def _later(p: OwnPreference) -> list[own.Change]:
    return [LATER[p.id]] if p.id in LATER else []
