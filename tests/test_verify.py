"""verify says what is wrong with what is kept, and nothing where nothing is."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monogram.errors import LedgerError, UnknownNameError
from monogram.keeping import Keeping
from monogram.models.build import build
from monogram.people import Person, Personalizer
from tests import tiny
from tests.compiled import Compiler


@pytest.fixture
def alice(people: Personalizer) -> Person:
    person = people.user("alice")
    person.add(attribute="location", target="Reykjavik")
    person.add(attribute="pet", target="a cat")
    person.add(attribute="location", target="Boston")
    return person


def sql(people: Personalizer, statement: str) -> None:
    with sqlite3.connect(people.store.ledger.place) as raw:
        raw.execute(statement)
    raw.close()


def test_a_good_store_has_no_faults_and_the_present_version_is_rebuilt(
    alice: Person, people: Personalizer, compiler: Compiler
) -> None:
    people.user("bob").add(attribute="pet", target="a newt")
    compiler.calls.clear()
    report = people.verify()
    assert report.all_faults == ()
    assert [(p.user, p.versions, p.rebuilt) for p in report.people] == [("alice", 3, (3,)), ("bob", 1, (1,))]
    assert [set(call) for call in compiler.calls] == [{"a cat", "Boston"}, {"a newt"}]


def test_every_version_is_rebuilt_when_asked_and_a_set_only_once(
    alice: Person, people: Personalizer, compiler: Compiler
) -> None:
    alice.rollback(1)
    alice.forget("location")
    compiler.calls.clear()
    report = alice.verify(all_versions=True)
    assert (report.all_faults, report.people[0].rebuilt) == ((), (1, 2, 3, 4, 5))
    assert len(compiler.calls) == 3


def test_after_everything_it_still_holds(alice: Person, people: Personalizer) -> None:
    alice.rollback()
    alice.erase("Boston")
    alice.add(attribute="diet", target="vegan")
    alice.forget("pet")
    assert alice.verify(all_versions=True).all_faults == ()


def folder(alice: Person, number: int) -> Path:
    store = alice.owner.store
    return store.adapters.shelf("alice") / store.ledger.versions("alice")[number - 1].folder


FAULTS: dict[str, tuple[Callable[[Person, Personalizer], object], str]] = {
    "a byte of an old adapter": (
        lambda alice, _: (folder(alice, 1) / "adapter_model.safetensors").write_bytes(b"nothing"),
        "alice: version 1: The adapter of version 1 of 'alice' is damaged",
    ),
    "an adapter that is gone": (
        lambda alice, _: shutil.rmtree(folder(alice, 2)),
        r"alice: version 2: its adapter folder \w+ is gone",
    ),
    "a preference that was changed": (
        lambda _, people: sql(people, "UPDATE events SET target = 'Golf' WHERE target = 'Boston'"),
        "alice: Line 4 of the ledger was changed",
    ),
    "an event that was taken out": (
        lambda _, people: sql(people, "DELETE FROM events WHERE kind = 'replaced'"),
        "alice: version 3: the ledger's events do not add up",
    ),
    "a version that was taken out": (
        lambda _, people: sql(people, "DELETE FROM versions WHERE number = 2"),
        "alice: version 2 is missing from the ledger",
    ),
    "a receipt that was improved": (
        lambda _, people: sql(people, "UPDATE versions SET receipt = json_set(receipt, '$.recall', 2.0)"),
        "alice: version 3: its receipt does not say the same again: recall 2, now 1",
    ),
    "an adapter of another set": (
        lambda _, people: sql(
            people,
            "UPDATE versions SET (folder, delta_digest) = "
            "(SELECT folder, delta_digest FROM versions WHERE number = 1) WHERE number = 3",
        ),
        "alice: version 3: rebuilt from the ledger, its delta is another one",
    ),
    "a row without a person": (
        lambda _, people: sql(
            people, "INSERT INTO events (user_id, number, time, kind) VALUES (99, 1, '', 'erased')"
        ),
        "the ledger: a row of events speaks of one in users that is not there",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named_in_one_line(alice: Person, people: Personalizer, fault: str) -> None:
    harm, says = FAULTS[fault]
    harm(alice, people)
    found = people.verify().all_faults
    assert found
    assert all("\n" not in line for line in found)
    assert any(re.match(says, line) for line in found), found


def test_what_killed_processes_left_is_cleared_first(alice: Person, people: Personalizer) -> None:
    shelf = people.store.adapters.shelf("alice")
    for left in (shelf / ".half.0123", shelf / "f", people.store.adapters.root / "0"):
        left.mkdir(exist_ok=True)
    people.store.artefacts.of("alice").write("a" * 64, "b" * 64, {"x": torch.zeros(1)})
    report = people.verify()
    assert report.all_faults == ()
    assert report.swept == 3
    assert not (people.store.artefacts.of("alice").folder / ("a" * 64)).exists()


def test_what_cannot_be_rebuilt_here_is_noted_and_is_no_fault(alice: Person, people: Personalizer) -> None:
    other = Personalizer(tiny.editable(seed=1, dtype=torch.float32), people.store, editor=None)
    report = other.verify("alice")
    assert (report.all_faults, report.people[0].rebuilt) == ((), ())
    assert "another model" in report.people[0].notes[0]
    sql(people, "UPDATE versions SET settings = 'of before'")
    assert "other settings than today's" in people.verify().people[0].notes[0]


def test_a_version_is_rebuilt_with_the_threads_that_compiled_it(
    alice: Person, people: Personalizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, used = {**build(people.model), "threads": 2}, list[int]()
    sql(people, f"UPDATE versions SET receipt = json_set(receipt, '$.build', json('{json.dumps(told)}'))")
    plain = Keeping.compiled
    watched = lambda *args: (used.append(torch.get_num_threads()), plain(*args))[1]  # noqa: E731
    monkeypatch.setattr(Keeping, "compiled", watched)
    assert people.verify().all_faults == ()
    assert (used, torch.get_num_threads()) == ([2], 1)


def test_what_another_build_compiled_is_noted_and_is_no_fault(alice: Person, people: Personalizer) -> None:
    told = {**build(people.model), "torch": "1.0"}
    sql(people, f"UPDATE versions SET receipt = json_set(receipt, '$.build', json('{json.dumps(told)}'))")
    (found,) = people.verify().people
    assert (found.faults, found.rebuilt) == ((), ())
    assert found.notes == (
        "version 3: it was compiled by another build (torch 1.0), so that it cannot be compared",
    )


def test_a_receipt_of_another_make_is_noted_and_is_no_fault(alice: Person, people: Personalizer) -> None:
    sql(people, "UPDATE versions SET receipt = '{\"recall\": 2.0}'")
    report = people.verify()
    assert report.all_faults == ()
    assert "measured by another version of monogram" in report.people[0].notes[0]


def test_what_was_carried_over_need_not_be_said_again(alice: Person, people: Personalizer) -> None:
    def receipt(version: str) -> str:
        parts = f'{{"recall": 2.0, "leak": 0.0, "problems": [], "per_preference": [{version}]}}'
        return f"UPDATE versions SET receipt = '{parts}'"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("monogram.verify._shape", lambda _: None)  # the double's has no parts
        sql(people, receipt('{"tallies": {"ask": {"version": 2}}}'))
        assert people.verify().all_faults == ()
        sql(people, receipt('{"tallies": {"ask": {"version": null}}}'))
        assert "recall 2, now 1" in people.verify().all_faults[0]


def test_somebody_unknown_is_asked_about(alice: Person, people: Personalizer) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'alice'"):
        people.verify("alise")
    assert people.user("alice").verify().all_faults == ()


def test_a_ledger_that_cannot_be_read_is_an_error(alice: Person, people: Personalizer) -> None:
    people.store.ledger.place.write_bytes(b"nonsense" * 4096)
    with pytest.raises(LedgerError, match="damaged"):
        people.verify()
