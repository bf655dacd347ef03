"""Data of each published format loads as it is; what does not fit is named by file, record and field."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.exams import load_exam, number, short
from monogram.bench.prefeval import load_situations, load_turns
from monogram.bench.records import read_records
from monogram.bench.sources import Sources
from monogram.errors import InputError, UnknownNameError
from tests.bench.records import HIKER, folder_of, written

SITUATION = {"preference": "I can't stand jazz.", "question": "What should we hear?"}
CHOICE = {"instruction": "Pick.\n\nAnswer format: true/false", "answer": "true"}


def saved(folder: Path, *records: Any, name: str = "x.json") -> Path:
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("\n".join(json.dumps(record) for record in records) + "\n")
    else:
        path.write_text(json.dumps(list(records)))
    return path


def test_files_of_a_folder_tell_what_they_are(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data")
    written(folder)
    found = Sources([folder])
    assert len(found.items.items) == 5
    assert [len(s.options) for s in found.situations] == [4]  # the record with options counts
    assert [len(turns) for turns in found.turns] == [6, 1]
    assert {exam.name: exam.kind for exam in found.exams} == {"arc": "choice", "gsm": "sums", "nq": "short"}
    assert list(found.texts) == ["plain"]
    assert {"items.json", "turns.json", "plain.txt"} <= set(found.used)
    assert str(tmp_path) not in json.dumps(found.used)


def test_without_data_the_projects_own_set_is_taken() -> None:
    found = Sources()
    assert len(found.items.items) >= 24
    assert found.items is found.own
    assert list(found.used) == [found.own.path.name]
    assert (found.situations, found.exams, found.texts) == ((), (), {})
    assert [len(turns) for turns in found.turns] == [10, 10]
    assert list(found.used) == [found.own.path.name, "own-turns"]


def test_a_split_of_the_projects_own_set_is_chosen_by_name() -> None:
    assert len(Sources(split="test").items.items) == 160
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        _ = Sources(split="tests").items


def test_two_files_of_items_must_be_told_apart(tmp_path: Path) -> None:
    one, other = written(tmp_path), saved(tmp_path, HIKER, name="other.json")
    with pytest.raises(InputError, match=r"items\.json, other\.json\. Name one"):
        _ = Sources([tmp_path]).items
    assert Sources([tmp_path, other]).items.path == other
    assert Sources([one]).items.path == one


def test_a_named_file_is_told_from_its_folders(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data")
    assert Sources([folder / "arc_300.json"]).is_named("arc")
    assert not Sources([folder]).is_named("arc")


def test_what_a_sentence_says_is_the_files_own_words_or_read_from_it(tmp_path: Path) -> None:
    pro = {**SITUATION, "topic": "entertain-music", "subject": "music", "target": "no jazz"}
    odd = {**SITUATION, "preference": "Jazz? Rather not, thank you."}
    given, read, kept = load_situations(
        read_records(saved(tmp_path, pro, SITUATION, odd, name="music_x.json"))
    )
    assert (given.topic, given.fact.preference.attribute) == ("entertain music", "music")
    assert (read.fact.preference.target, read.fact.preference.polarity) == ("jazz", "avoids")
    assert (kept.fact.preference.attribute, kept.fact.preference.target) == ("music x", odd["preference"])
    assert len({s.id for s in (given, read, kept)}) == 3


@pytest.mark.parametrize(
    ("load", "record", "why"),
    [
        (load_situations, {"preference": "I like tea."}, "the field 'question' is missing"),
        (
            load_situations,
            {**SITUATION, "preference": 3},
            "the field 'preference' must be a text, but it is int",
        ),
        (load_situations, {**SITUATION, "question": " "}, "the field 'question' is empty"),
        (load_situations, {**SITUATION, "classification_task_options": ["a"]}, "at least 2 texts"),
        (
            load_situations,
            {**SITUATION, "classification_task_options": ["a", 2]},
            r"'classification_task_options\[1\]' must be a text",
        ),
        (load_situations, {**SITUATION, "subject": "tea"}, "the field 'target' is missing"),
        (load_situations, "text", "must be an object"),
        (load_turns, {"conversation": "no"}, "'conversation' must be a list of messages"),
        (
            load_turns,
            {"conversation": [{"role": "robot", "content": "x"}]},
            r"conversation\[0\]: the field 'role'",
        ),
        (
            load_turns,
            {"conversation": [{"role": "user"}]},
            r"conversation\[0\]: the field 'content' is missing",
        ),
        (load_exam, {**CHOICE, "answer": "maybe"}, "'maybe'"),
        (load_exam, {"instruction": "Pick.", "answer": "true"}, "must end in 'Answer format"),
        (load_exam, {"question": "?", "answer": []}, "'answer' must be a list of at least 1"),
        (load_exam, {"question": "?", "answer": "four"}, "must end in '#### ' and a number"),
    ],
)
def test_a_record_that_does_not_fit_is_named(tmp_path: Path, load: Any, record: Any, why: str) -> None:
    good = {
        load_situations: SITUATION,
        load_turns: {"conversation": [{"role": "user", "content": "a"}]},
        load_exam: record if isinstance(record, dict) else {},
    }[load]
    path = saved(tmp_path, *([] if load is load_exam else [good]), record)
    with pytest.raises(InputError, match=why) as told:
        load(read_records(path))
    assert f"x.json, record {0 if load is load_exam else 1}" in str(told.value)


def test_a_broken_line_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "a", "answer": ["b"]}\n\n{oops\n')
    with pytest.raises(InputError, match=r"x\.jsonl, line 3: no JSON"):
        read_records(path)


def test_a_folder_without_records_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file of records"):
        _ = Sources([tmp_path]).situations


def test_short_answers_and_numbers_are_compared_plainly() -> None:
    assert short("The Duodenum.") == short("duodenum")
    assert short("in the duodenum") != short("duodenum")
    assert (number("so 1,234 in all."), number("-3.5"), number("none")) == ("1234", "-3.5", None)
