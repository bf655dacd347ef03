"""Files in UPQA's format: both shapes load, and errors name file, record and field."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.items import Choice, load_items
from monogram.errors import InputError
from tests.bench.records import ALL, BAKER, HIKER, OWNER, clustered, loaded, written


def test_a_single_file_loads(tmp_path: Path) -> None:
    file = loaded(tmp_path)
    assert [item.index for item in file.items] == [0, 1, 2, 3, 4]
    first = file.items[0]
    assert (first.attribute, first.target, first.direct) == ("hobby", "Hill walking", "What's my hobby?")
    assert (first.attributes, first.questions, first.targets) == ((), (), ())
    assert file.sha256 == hashlib.sha256((tmp_path / "items.json").read_bytes()).hexdigest()
    assert (first.id, first.polarity, first.person) == ("0", None, "")


def test_in_lists_the_original_is_the_last(tmp_path: Path) -> None:
    first = loaded(tmp_path, [clustered(HIKER)]).items[0]
    assert (first.attribute, first.target, first.direct) == ("hobby", "Hill walking", "What's my hobby?")
    assert first.attributes == ("pastime", "hobby")
    assert first.questions == ("What's your favorite pastime?", "What's my hobby?")
    assert first.targets == ("Rambling", "Hill walking")


def test_the_direct_question_of_an_attribute_is_the_commonest(tmp_path: Path) -> None:
    records = [{**HIKER, "question": "Rare?"}, HIKER, HIKER, BAKER]
    asked = loaded(tmp_path, records).direct_questions
    assert asked == {"hobby": "What's my hobby?", "job": "What's my job?"}


def test_choices_keep_the_order_of_the_file(tmp_path: Path) -> None:
    file = loaded(tmp_path, [HIKER, BAKER, HIKER, OWNER, HIKER, BAKER])
    assert [i.index for i in file.select(Choice())] == [0, 1, 2, 3, 4, 5]
    assert [i.index for i in file.select(Choice(limit=2))] == [0, 1]
    assert [i.index for i in file.select(Choice(limit=99))] == [0, 1, 2, 3, 4, 5]
    assert [i.index for i in file.select(Choice(per_attribute=1))] == [0, 1, 3]
    assert [i.index for i in file.select(Choice(per_attribute=2))] == [0, 1, 2, 3, 5]


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"limit": 0}, "at least 1"),
        ({"per_attribute": -1}, "at least 1"),
        ({"limit": 1, "per_attribute": 1}, "one of them"),
    ],
)
def test_impossible_choices_are_refused(tmp_path: Path, chosen: dict[str, int], why: str) -> None:
    with pytest.raises(InputError, match=why):
        loaded(tmp_path).select(Choice(**chosen))


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in HIKER.items() if key != name}


BAD: list[tuple[Any, str]] = [
    ("text", "must be an object"),
    *((without(name), f"the field '{name}' is missing") for name in HIKER),
    *(
        ({**HIKER, name: ""}, f"the field '{name}'.* is empty|'{name}' cannot be used.*empty")
        for name in HIKER
    ),
    ({**HIKER, "target": 3}, "the field 'target' must be a text or a list of texts, but it is int"),
    ({**HIKER, "target": "x" * 201}, "the field 'target' cannot be used.*201 characters"),
    ({**HIKER, "implicit_question": ["a"]}, "the field 'implicit_question' cannot be used.*it is list"),
    ({**HIKER, "question": "a\x00b"}, "the field 'question' cannot be used.*control character"),
    ({**clustered(HIKER), "target": []}, "the field 'target' .* an empty list"),
    ({**clustered(HIKER), "target": ["Hill walking"]}, "equal lengths.*target 1"),
    ({**clustered(HIKER), "target": "Hill walking"}, "all be texts or all be lists|must all be texts"),
    ({**clustered(HIKER), "question": ["fine?", None]}, r"the field 'question\[1\]'"),
]


@pytest.mark.parametrize(("record", "why"), BAD)
def test_a_bad_record_is_named_with_file_place_and_field(tmp_path: Path, record: Any, why: str) -> None:
    path = written(tmp_path, [BAKER, record])
    with pytest.raises(InputError, match=why) as told:
        load_items(path)
    assert str(told.value).startswith(f"{path}, record 1: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[{,", "line 1: no JSON"),
        (b"{}", "but it holds dict"),
        (b"[]", "an empty list"),
        (b"\xff[", "UTF-8"),
    ],
)
def test_a_file_that_is_none_is_explained(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=why):
        load_items(path)


def test_a_file_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_items(tmp_path / "nowhere.json")


def test_emoji_and_other_scripts_load(tmp_path: Path) -> None:
    file = loaded(tmp_path, [{**HIKER, "target": "登山 🏔"}, *ALL])
    assert file.items[0].target == "登山 🏔"
