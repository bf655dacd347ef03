"""An answer becomes an item only if nothing is wrong with it, and else all that is wrong is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.items import load_items
from monogram.dataset.record import UnusableError, record
from monogram.dataset.wording import SYNONYMS, form, task
from monogram.errors import InputError
from tests.dataset.answers import CLUSTER, POTTERY

SAID = "I love pottery."


def made(clusters: int = 0, said: str = SAID, **changes: Any) -> dict[str, Any]:
    more = {SYNONYMS: CLUSTER[:clusters]} if clusters else {}
    return record(json.dumps({**POTTERY, **more, **changes}), said, clusters)


def test_a_good_answer_is_an_item_that_the_benchmark_reads(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps([made(), made(target=" the  Potter's wheel ")]))
    first, second = load_items(path).items
    assert (first.statement, first.attribute, first.target) == (SAID, "hobby", "Pottery")
    assert first.implicit == POTTERY["implicit_question"]
    assert first.targets == ()
    assert second.target == "the Potter's wheel"


def test_with_synonyms_the_original_stands_last(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps([made(3)]))
    (item,) = load_items(path).items
    assert item.attributes == ("pastime", "leisure activity", "interest", "hobby")
    assert item.questions[-1] == item.direct == "What's my hobby?"
    assert item.targets[-1] == item.target == "Pottery"


def test_the_tasks_own_example_is_a_good_answer() -> None:
    for clusters in (0, 1, 2):
        example = task(clusters).splitlines()[-1]
        assert record(example, "I knit socks on quiet evenings.", clusters)["attribute_type"]
        assert set(json.loads(example)) == set(form(clusters).schema["required"])


def test_a_model_may_say_that_nothing_can_be_asked() -> None:
    with pytest.raises(UnusableError, match="Makes no sense"):
        made(usable=False, reason="Makes\nno sense.", target="", attribute_type="")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": ""}, r"target must have 1 to 8 words|target cannot be used"),
        ({"attribute_type": " "}, "attribute_type cannot be used"),
        ({"attribute_type": "a thing that I really like"}, "attribute_type must have 1 to 4 words"),
        ({"target": "word " * 9}, "target must have 1 to 8 words, not 9"),
        ({"question": ""}, "question must have 3 to 40 words, not 0"),
        ({"question": "Why is my " + "very " * 40 + "hobby?"}, "question must have 3 to 40"),
        ({"question": "Is my hobby \x00 fun?"}, "control character"),
        ({"question": "What's your hobby?"}, "question says 'your'"),
        ({"implicit_question": "What do you do for fun?"}, "implicit_question must be asked by the person"),
        ({"question": "What's the hobby?"}, "question must be asked by the person"),
        ({"question": "Tell me my hobby."}, "end with"),
        ({"question": "Is pottery my hobby?"}, "question holds words of the target"),
        ({"target": "Making pots", "question": "What do I enjoy making?"}, "holds words of the target"),
        ({"product_recommendation_question": "Which POTTERY wheel suits me?"}, "product.* holds words"),
        ({"attribute_type": "pottery"}, "no word beyond attribute_type"),
        (
            {"question_paraphrased": "Whats my hobby?", "question": "whats my hobby?"},
            "Two questions are the same",
        ),
        ({"polarity": "loves"}, "polarity must be one of likes, avoids, fact"),
        ({"polarity": "avoids"}, "polarity is avoids, but the statement tells of something that .* likes"),
        ({"usable": "yes"}, "usable must be true or false"),
        ({"target": 3}, "the other fields texts"),
        ({"sure": True}, "just the fields"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        made(**changes)


def test_what_somebody_hates_is_not_liked() -> None:
    with pytest.raises(InputError, match="polarity is likes, but"):
        made(said="I hate pottery.")
    assert made(said="I hate pottery.", polarity="avoids")["polarity"] == "avoids"


def test_the_attributes_own_words_give_nothing_away() -> None:
    music = {"attribute_type": "music", "question": "What's my kind of music?"}
    assert made(said="I love jazz music.", target="Jazz music", **music)["target"] == "Jazz music"
    with pytest.raises(InputError, match="question holds words of the target"):
        made(said="I love jazz music.", target="Jazz music", **{**music, "question": "Is my music jazz?"})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError, match=r"polarity must be .* question says 'your'"):
        made(polarity="x", question="What's your hobby?")


@pytest.mark.parametrize(
    ("synonyms", "says"),
    [
        (CLUSTER[:2], "synonyms must be 3 objects"),
        ([*CLUSTER, CLUSTER[0]], "synonyms must be 3 objects"),
        ([*CLUSTER[:2], "pastime"], "synonyms must be 3 objects"),
        ([*CLUSTER[:2], {**CLUSTER[2], "polarity": "likes"}], "synonyms must be 3 objects"),
        ([*CLUSTER[:2], CLUSTER[1]], "Two questions are the same. Two attribute names .* Two targets"),
        ([*CLUSTER[:2], {**CLUSTER[2], "target": "pottery"}], "Two targets are the same"),
        ([*CLUSTER[:2], {**CLUSTER[2], "target": ""}], "synonym 3: target"),
        (
            [*CLUSTER[:2], {**CLUSTER[2], "question": "What's your interest?"}],
            "synonym 3: question says 'your'",
        ),
        ([*CLUSTER[:2], {**CLUSTER[2], "question": "Is it ceramics I like?"}], "synonym 3: question holds"),
    ],
)
def test_synonyms_are_held_to_the_same(synonyms: list[Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        made(3, **{SYNONYMS: synonyms})
