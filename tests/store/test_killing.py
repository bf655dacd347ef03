"""Processes that are killed while they change a person lose nothing that was done, and leave nothing.

Each change is made by a real process, killed at a random moment; then everything is looked at.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.people import Person, Personalizer
from monogram.preferences import Preference
from monogram.store.asked import to_restore
from monogram.store.ledger import ever, set_at
from monogram.store.store import Store
from tests.compiled import Compiler, installed
from tests.store.test_erasing import traces
from tests.store.worker import Worker, model

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL there")
HOMES, KILLS = 5, 22
"""So many lives, each with so many processes that were killed before they had said that they were done."""


@pytest.fixture(scope="module")
def base() -> EditableModel:
    made: EditableModel = model()
    return made


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as running:
        yield running


@pytest.fixture
def alice(base: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    compiler = installed(monkeypatch)
    person = Personalizer(base, Store(tmp_path / "home")).user("alice")
    for number in range(3):
        person.add(attribute="pet", target=f"creature-{number:03d}")
    compiler.calls.clear()
    return person


def drawn(person: Person, rng: random.Random, turn: int) -> tuple[str, list[str], set[str], set[str]]:
    """A change to be tried: verb, words, what is true after it, and what is erased by it."""
    ledger = person.owner.store.ledger
    held, events = {p.target for p in person.list()}, ledger.history(person.name)
    was = sorted(p.target for p in ever(events))
    verb = rng.choice(["add", "add", "add", "forget", "erase", "erase", "rollback"] if held else ["add"])
    if verb == "rollback":
        try:
            old = to_restore(ledger, person.name)
        except InputError:
            return drawn(person, rng, turn)
        return verb, [str(old.number)], {p.target for p in set_at(events, old.number)}, set()
    if verb == "add":
        new = f"creature-{100 + turn:03d}"
        return verb, ["pet", new], held | {new}, set()
    one = rng.choice(sorted(held) if verb == "forget" else was)
    return verb, [one], held - {one}, {one} if verb == "erase" else set()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, HOMES))]
)  # 4 s each on an idle machine; the quick round has one of them
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_left(
    alice: Person, worker: Worker, tmp_path: Path, seed: int
) -> None:
    rng, store = random.Random(seed), alice.owner.store
    takes: dict[str, float] = {}
    turn = killed = 0
    while killed < KILLS:
        turn += 1
        before, versions = {p.target for p in alice.list()}, store.ledger.versions("alice")
        verb, words, after, erased = drawn(alice, rng, turn)
        kill = rng.random() * takes[verb] if verb in takes else None
        worker.begin(store.home, "alice", verb, *words, kill=kill)
        said = worker.outcome()
        assert "error" not in said, said
        killed += "done" not in said
        if kill is None:
            takes[verb] = said["seconds"]  # the first of its kind lives, so that others are killed within it

        now = {p.target for p in alice.list()}
        landed = store.ledger.versions("alice")[-1].number > versions[-1].number
        assert now == (after if landed else before)
        assert landed or "done" not in said, "what was said to be done is lost"
        report = alice.verify()
        assert report.all_faults == ()
        assert store.ledger.unfinished() == {}
        assert alice.delta() == compiled(alice)
        if landed and erased:
            (text,) = erased
            assert traces(tmp_path, text, Preference("pet", text).digest) == []
    assert alice.verify(all_versions=True).all_faults == ()


def compiled(person: Person) -> object:
    """The delta of what is true of them, by the compiler alone."""
    made, held = Compiler(), person.list()
    return made(person.owner.model, held).delta if held else person.owner.user("nobody").delta()


@pytest.mark.slow  # twenty people, 10 s
def test_a_person_who_is_erased_is_wholly_there_or_wholly_gone(
    alice: Person, worker: Worker, tmp_path: Path
) -> None:
    people, rng = alice.owner, random.Random(0)
    whole = {p.target for p in alice.list()}
    for turn in range(20):
        user = f"somebody-{turn}"
        people.user(user).add_all(alice.list())
        worker.begin(people.store.home, user, "erase_all", kill=rng.random() * 0.05)
        said = worker.outcome()
        held = {p.target for p in people.user(user).list()}
        assert held in (whole, set())
        assert not (held and "done" in said)
        assert people.verify().all_faults == ()
        if not held:
            assert user not in people.users()
            assert traces(tmp_path, user, people.store.adapters.shelf(user).name) == []


@pytest.mark.slow  # a second worker has torch to load
def test_of_two_at_once_both_land_or_one_says_that_it_lost(alice: Person, worker: Worker) -> None:
    home, store = alice.owner.store.home, alice.owner.store
    with Worker() as other:
        other.begin(home, "bob", "add", "pet", "a newt")
        other.outcome()
        for turn in range(8):
            held = {p.target for p in alice.list()}
            new, rival = f"creature-{200 + turn}", f"creature-{300 + turn}"
            second = ("erase", [min(held)]) if turn % 2 else ("add", ["pet", rival])
            worker.begin(home, "alice", "add", "pet", new)
            other.begin(home, "alice", second[0], *second[1])
            first, then = worker.outcome(), other.outcome()
            for one in (first, then):
                assert "done" in one or "were changed by somebody else meanwhile" in one["error"], one
            assert "done" in first or "done" in then
            expected = held | ({new} if "done" in first else set())
            if "done" in then:
                expected = expected ^ {second[1][-1]}
            assert {p.target for p in alice.list()} == expected
            assert alice.verify().all_faults == ()
    assert store.ledger.users() == ("alice", "bob")
