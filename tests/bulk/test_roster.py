"""The file of people: every row that makes sense counts, every other one is told of and stops none."""

import json
from pathlib import Path

import pytest

from monogram.bulk.roster import MAX_LINE, Roster, Wanted, read_roster
from monogram.errors import InputError
from monogram.preferences import Preference

HIKING = {"attribute": "hobby", "target": "Hiking"}


def told(tmp_path: Path, *rows: object) -> Roster:
    path = tmp_path / "people.jsonl"
    path.write_bytes(b"\n".join(r if isinstance(r, bytes) else json.dumps(r).encode() for r in rows))
    return read_roster(path)


def targets(person: Wanted) -> list[str]:
    return [p.target for p in person.preferences]


def test_a_row_says_preferences_words_or_messages(tmp_path: Path) -> None:
    talk = [{"role": "assistant", "content": "I love tea."}, {"role": "user", "content": "I live in Rome."}]
    roster = told(
        tmp_path,
        {"user": "alice", "preferences": [{**HIKING, "polarity": "avoids", "said": "I hate it."}]},
        {"user": "bob", "said": "I'm a nurse, and I'm allergic to peanuts."},
        {"user": "carol", "messages": talk},
        {"user": "dora", "preferences": []},
    )
    assert roster.wrong == ()
    alice, bob, carol, dora = roster.people
    assert alice.preferences == (Preference("hobby", "Hiking", "I hate it.", "avoids"),)
    assert (targets(bob), targets(carol), targets(dora)) == (["nurse", "peanuts"], ["Rome"], [])
    assert [p.lines for p in roster.people] == [(1,), (2,), (3,), (4,)]


def test_of_two_rows_of_one_person_the_second_counts_after_the_first(tmp_path: Path) -> None:
    rows = [{"user": "alice", "said": f"I live in {town}."} for town in ("Rome", "Oslo")]
    (alice,) = told(tmp_path, rows[0], {"user": "bob", "said": "I love tea."}, rows[1]).people[:1]
    assert (alice.lines, targets(alice)) == ((1, 3), ["Oslo"])


def test_null_is_left_out_and_blank_lines_and_a_mark_at_the_beginning_are_nothing(tmp_path: Path) -> None:
    row = {"user": "alice", "preferences": [{**HIKING, "polarity": None, "said": None}], "said": None}
    roster = told(tmp_path, b"\xef\xbb\xbf" + json.dumps(row).encode(), b"", b"   ", row)
    assert [(p.user, p.lines) for p in roster.people] == [("alice", (1, 4))]


WRONG = {
    "json": (b"{nonsense", "is no JSON"),
    "utf8": (b'{"user": "\xff"}', "not UTF-8"),
    "list": (["alice"], "must be a JSON object with 'user', but it is a list"),
    "nobody": ({"said": "I love tea."}, "There is no 'user'"),
    "number": ({"user": 7, "said": "I love tea."}, "The user must be text, but it is int"),
    "blank": ({"user": " a", "said": "I love tea."}, "begins or ends with a blank"),
    "nothing": ({"user": "a"}, "this one has none of them"),
    "both": ({"user": "a", "said": "x", "messages": []}, "this one has 'said' and 'messages'"),
    "field": ({"user": "a", "sayd": "x"}, "Did you mean 'said'"),
    "twice": (b'{"user": "a", "user": "b", "said": "I love tea."}', "'user' is there twice"),
    "empty": ({"user": "a", "said": "What time is it?"}, "No preference was found"),
    "said": ({"user": "a", "said": ["I love tea."]}, "'said' must be text, but it is a list"),
    "messages": ({"user": "a", "messages": "I love tea."}, "'messages' must be a list, but it is text"),
    "roles": ({"user": "a", "messages": [{"content": "x"}]}, "Message 1 has no 'role'"),
    "mapping": ({"user": "a", "preferences": {}}, "'preferences' must be a list, but it is an object"),
    "word": ({"user": "a", "preferences": ["tea"]}, "Preference 1: it must be an object"),
    "target": (
        {"user": "a", "preferences": [HIKING, {"attribute": "x"}]},
        "Preference 2: there is no 'target'",
    ),
    "typo": ({"user": "a", "preferences": [{**HIKING, "targt": "x"}]}, "Preference 1: Unknown field 'targt'"),
    "polarity": ({"user": "a", "preferences": [{**HIKING, "polarity": "loves"}]}, "Unknown polarity 'loves'"),
    "kind": ({"user": "a", "preferences": [{**HIKING, "polarity": 1}]}, "'polarity' must be text"),
    "figure": (
        {"user": "a", "preferences": [{**HIKING, "target": 5}]},
        "The target must be text, but it is int",
    ),
    "contradiction": (
        {"user": "a", "preferences": [{"attribute": "job", "target": t} for t in ("nurse", "cook")]},
        "contradicts itself about job: nurse",
    ),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "long": (b'{"user": "a", "said": "' + b"x" * MAX_LINE + b'"}', "longer than 500,000 bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_row_that_makes_no_sense_is_told_of_and_stops_no_other(tmp_path: Path, case: str) -> None:
    row, says = WRONG[case]
    good = {"user": "bob", "said": "I love tea."}
    roster = told(tmp_path, good, row, {**good, "user": "carol"})
    assert [(p.user, p.lines) for p in roster.people] == [("bob", (1,)), ("carol", (3,))]
    (wrong,) = roster.wrong
    assert wrong.line == 2
    assert says in wrong.why
    assert "\n" not in wrong.why


def test_a_file_that_is_not_there_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"people.jsonl is empty. Give a row a line"):
        told(tmp_path, b"", b" ")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_roster(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_roster(tmp_path)


def test_a_person_goes_to_another_process_and_back(tmp_path: Path) -> None:
    (alice,) = told(tmp_path, {"user": "älice", "preferences": [HIKING]}).people
    assert Wanted.from_json(alice.to_json()) == alice
