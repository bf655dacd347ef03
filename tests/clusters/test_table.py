"""The table knows enough of a person's life, says nothing twice, and copies no evaluated question."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from monogram.clusters.cluster import Phrasing, words
from monogram.clusters.corpus import exams, histories, systems, unrelated, unrelated_probes
from monogram.clusters.expand import expand
from monogram.clusters.pool import pool
from monogram.clusters.table import Attribute, table
from monogram.preferences import Preference

EVERYDAY = (
    *(
        "hobby",
        "profession",
        "diet",
        "allergy",
        "pet",
        "location",
        "family",
        "sport",
        "music",
        "favourite food",
    ),
    *("career goal", "dislikes", "working style", "accessibility need"),
)
ASKED = ("question_paraphrased", "implicit_question", "product_recommendation_question")


def texts(attribute: Attribute) -> tuple[str, ...]:
    return (*attribute.ask, *attribute.roundabout, *attribute.recommend, *attribute.others)


def norm(text: str) -> str:
    return " ".join(words(text))


def twice(items: list[str]) -> list[str]:
    return [item for item, times in Counter(items).items() if times > 1]


def test_it_holds_at_least_sixty_attributes() -> None:
    assert len(table()) == len(table().names) >= 60
    assert [attribute.name for attribute in table()] == list(table().names)


@pytest.mark.parametrize("attribute", EVERYDAY)
def test_what_people_tell_first_is_there(attribute: str) -> None:
    assert table().find(attribute) is not None


def test_every_attribute_has_phrasings_enough_to_train_and_to_hold_out() -> None:
    for a in table():
        assert (len(a.ask), len(a.roundabout), len(a.recommend), len(a.others)) >= (16, 20, 16, 10), a.name
        assert len(a.examples) >= 2, a.name
        assert len(a.synonyms) >= 2, a.name
        assert a.polarity in ("likes", "avoids", "fact"), a.name
        assert a.name == a.name.lower().strip()


def test_no_phrasing_is_there_twice() -> None:
    assert twice([norm(text) for a in table() for text in texts(a)]) == []


def test_no_synonym_is_there_twice_and_each_finds_its_own() -> None:
    assert twice([name.casefold() for a in table() for name in a.all_names]) == []
    for a in table():
        for name in a.all_names:
            assert table().find(name) is a, name


def test_near_attributes_exist_and_are_others() -> None:
    for a in table():
        assert set(a.near) <= set(table().names) - {a.name}, a.name


def test_an_assistant_can_say_each_of_them_and_begins_with_the_target() -> None:
    for a in table():
        said = a.said("Xyz")
        assert said.startswith("Xyz is "), a.name
        assert said.count("Xyz") == 1, a.name
        assert said.endswith("."), a.name
        assert re.search(r"\byou", said, re.IGNORECASE), a.name


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("hiking", "Hiking is your hobby."),
        ("iPhone games", "iPhone games are your hobby."),
        ("romantic comedies", "Romantic comedies are your hobby."),
        ("Dancing at clubs", "Dancing at clubs is your hobby."),
        ("Taking and posting selfies", "Taking and posting selfies is your hobby."),
        ("Chess", "Chess is your hobby."),
        ("Walks in the hills", "Walks in the hills are your hobby."),
        ("Aerobics", "Aerobics is your hobby."),
    ],
)
def test_a_sentence_that_begins_with_the_target_is_written_like_one(target: str, said: str) -> None:
    hobby = table().find("hobby")
    assert hobby is not None
    assert hobby.said(target) == said


def test_nobody_asks_about_the_assistant() -> None:
    yours = re.compile(r"\b(what'?s|what is|what are|tell me|which is) your\b", re.IGNORECASE)
    for a in table():
        for text in (*a.ask, *a.roundabout, *a.recommend):
            assert not yours.search(text), text


def test_names_are_found_whatever_their_spelling() -> None:
    hobby = table().find("hobby")
    assert hobby is not None
    for spelling in ("HOBBY", " hobby ", "Hobby"):
        assert table().find(spelling) is hobby
    assert table().find("favourite food") is table().find("Favorite_Food") is table().find("favorite-food")
    assert table().find("shoe size of my horse") is None


def test_misspelt_names_are_suggested_best_first() -> None:
    assert table().suggest("hoby")[0] == "hobby"
    assert "profession" in table().suggest("proffesion")
    assert table().suggest("qqqqqqqq") == []
    assert len(table().suggest("food", most=1)) == 1


def test_the_projects_own_texts_are_whole_and_do_not_train_what_they_probe() -> None:
    assert len(unrelated()) >= 200
    assert len(unrelated_probes()) >= 24
    assert len(exams()) >= 30
    assert not set(map(norm, (*exams(), *unrelated()))) & set(map(norm, unrelated_probes()))
    assert len(set(systems())) == len(systems()) >= 10
    assert len(histories()) >= 10
    for turns in histories():
        assert [role for role, _ in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert all(content.strip() for _, content in turns)


def _evaluated() -> list[str]:
    beside = Path(__file__).resolve().parents[3] / "shared/data/upqa/upqa_dev_100.json"
    file = Path(os.environ.get("MONOGRAM_UPQA") or beside)
    if not file.is_file():
        pytest.skip("no UPQA file: let MONOGRAM_UPQA name one to hold the table against it")
    return sorted({record[field] for record in json.loads(file.read_bytes()) for field in ASKED})


def test_no_phrasing_equals_or_nearly_equals_an_evaluated_question() -> None:
    asked = {frozenset(words(question)) for question in _evaluated()}
    mine: set[str] = {entry.phrasing.text for entry in pool()} | set(unrelated_probes())
    for a in table():
        mine.update(texts(a))
        for name in a.all_names:
            c = expand(Preference(name, "x"))
            phrasings: tuple[Phrasing, ...] = (*c.train, *c.probe, *c.contrast, *c.contrast_probe)
            mine.update(p.text for p in phrasings)
    bags = {frozenset(words(text)): text for text in mine}
    lent = [text for bag, text in bags.items() for q in asked if len(bag & q) >= 0.9 * len(bag | q)]
    assert lent == []
