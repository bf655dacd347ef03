"""Going back makes a new version and rewrites nothing; erasing takes something out of every version."""

import shutil
from collections.abc import Callable

import pytest
import torch

from monogram.errors import EditRefusedError, InputError, UnknownNameError
from monogram.people import Person, Personalizer
from monogram.preferences import Preference
from monogram.undo import erase
from tests import tiny
from tests.compiled import Compiler
from tests.store.test_erasing import traces


@pytest.fixture
def alice(people: Personalizer) -> Person:
    """Version 1: Reykjavik. 2: Reykjavik, a cat. 3: Boston, a cat."""
    person = people.user("alice")
    person.add(attribute="location", target="Reykjavik")
    person.add(attribute="pet", target="a cat")
    person.add(attribute="location", target="Boston")
    return person


def held(person: Person) -> set[str]:
    return {p.target for p in person.list()}


def test_back_is_a_new_version_with_the_old_set_and_adapter(alice: Person, compiler: Compiler) -> None:
    before, known = alice.delta(), alice.history()
    change = alice.rollback()
    assert held(alice) == {"Reykjavik", "a cat"}
    assert [p.target for p in (*change.added, *change.removed)] == ["Reykjavik", "Boston"]
    assert change.version is not None
    assert (change.version.number, change.version.folder) == (4, known[1].version and known[1].version.folder)
    assert len(compiler.calls) == 3
    assert [(e.number, e.events) for e in alice.history()[:3]] == [(e.number, e.events) for e in known]
    assert [(e.kind, e.restored) for e in alice.history()[3].events] == [
        ("rolled back", 2),
        ("forgotten", None),
        ("added", None),
    ]
    alice.rollback()
    assert alice.delta() == before


def test_back_to_a_number_and_to_where_we_are(alice: Person) -> None:
    alice.rollback(1)
    assert held(alice) == {"Reykjavik"}
    assert alice.rollback(1).version is None
    assert alice.rollback(4).version is None
    assert len(alice.history()) == 4


def test_the_present_delta_after_a_return_is_the_one_of_the_set(alice: Person, people: Personalizer) -> None:
    alice.rollback(2)
    bob = people.user("bob")
    bob.add_all(alice.list())
    assert alice.delta() == bob.delta()


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_an_old_adapter_that_is_not_whole_is_compiled_anew(
    alice: Person, people: Personalizer, compiler: Compiler, harm: str
) -> None:
    old = people.store.ledger.versions("alice")[1]
    kept = people.store.delta("alice", old)
    weights = people.store.adapters.shelf("alice") / old.folder / "adapter_model.safetensors"
    if harm == "gone":
        shutil.rmtree(weights.parent)
    else:
        weights.write_bytes(weights.read_bytes()[:-1])
    alice.rollback(2)
    assert len(compiler.calls) == 4
    assert alice.delta() == kept


def test_another_model_or_editor_compiles(alice: Person, people: Personalizer, compiler: Compiler) -> None:
    other = Personalizer(tiny.editable(seed=1, dtype=torch.float32), people.store).user("alice")
    other.rollback(1)
    assert len(compiler.calls) == 4
    Personalizer(people.model, people.store, editor="cluster").user("alice").rollback(3)
    assert len(compiler.calls) == 5


def test_back_to_nowhere_is_explained(alice: Person, people: Personalizer) -> None:
    with pytest.raises(UnknownNameError, match=r"version of 'alice' '7'.*Known: 1, 2, 3"):
        alice.rollback(7)
    with pytest.raises(UnknownNameError, match="Did you mean 'alice'"):
        people.user("alise").rollback()
    bob = people.user("bob")
    bob.add(attribute="pet", target="a newt")
    with pytest.raises(InputError, match="nothing to go back to"):
        bob.rollback()


def test_back_to_what_was_erased_is_refused(alice: Person) -> None:
    alice.erase("Reykjavik")
    for number in (1, 2, None):
        with pytest.raises(InputError, match=r"is gone: something that it held was erased"):
            alice.rollback(number)
    assert held(alice) == {"Boston", "a cat"}


def test_back_to_nothing_and_back_again(alice: Person, people: Personalizer) -> None:
    alice.forget("location")
    alice.forget("pet")
    alice.rollback(4)
    assert held(alice) == {"a cat"}
    alice.rollback(5)
    assert held(alice) == set()
    assert alice.delta().rank == 0


def test_a_past_value_is_erased_without_compiling(alice: Person, people: Personalizer) -> None:
    before = alice.delta()

    def never() -> None:
        raise AssertionError("nothing is to be compiled")

    refuse: Callable[..., None] = never
    erased = erase(people.store, "alice", "reykjavik", refuse)  # type: ignore[arg-type]
    assert ([p.target for p in erased.preferences], erased.versions) == (["Reykjavik"], (1, 2))
    assert erased.version is not None
    assert erased.version.number == 4
    assert alice.delta() == before
    assert traces(people.store.home, "Reykjavik") == []


def test_a_present_one_is_erased_and_the_rest_is_as_if_it_had_never_been(
    alice: Person, people: Personalizer
) -> None:
    erased = alice.erase("pet")
    assert erased.versions == (2, 3)
    assert held(alice) == {"Boston"}
    bob = people.user("bob")
    bob.add(attribute="location", target="Boston")
    assert alice.delta() == bob.delta()
    assert traces(people.store.home, "a cat") == []


def test_of_two_with_one_target_the_other_one_stays(people: Personalizer) -> None:
    dora = people.user("dora")
    dora.add(attribute="color", target="Orange")
    dora.add(attribute="drink", target="Orange")
    dora.add(attribute="drink", target="oranges")  # the same in other words: known
    (drink,) = [p for p in dora.list() if p.attribute == "drink"]
    erased = dora.erase(drink)
    assert erased.preferences == (drink,)
    assert erased.versions == (2,)
    assert [(p.attribute, p.target) for p in dora.list()] == [("color", "Orange")]
    assert dora.erase("orange").preferences == (Preference("color", "Orange"),)
    with pytest.raises(UnknownNameError, match="drink: Orange"):
        dora.erase(drink)


def test_an_attribute_means_all_its_values(alice: Person, people: Personalizer, compiler: Compiler) -> None:
    erased = alice.erase("home city")
    assert {p.target for p in erased.preferences} == {"Reykjavik", "Boston"}
    assert held(alice) == {"a cat"}
    assert compiler.calls[-1] == ("a cat",)


def test_the_last_one_leaves_the_base_model(alice: Person, people: Personalizer) -> None:
    for what in ("location", "pet"):
        alice.erase(what)
    assert (held(alice), alice.delta().rank) == (set(), 0)
    assert people.users() == ("alice",)
    assert [e.version is None for e in alice.history()] == [True, True, True, True, False]


def test_an_erasure_that_would_harm_changes_nothing(people: Personalizer, compiler: Compiler) -> None:
    carol = people.user("carol")
    carol.add(attribute="pet", target="a cat")
    carol.add(attribute="location", target="Reykjavik")
    before = carol.history()

    def harm(*_: object, **__: object) -> None:
        raise EditRefusedError("The edit would leak.")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("monogram.keeping.compile_monogram", harm)
        with pytest.raises(EditRefusedError):
            carol.erase("pet")
    assert carol.history() == before


def test_what_never_was_cannot_be_erased(alice: Person, people: Personalizer) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'Reykjavik'"):
        alice.erase("Reykjavi")
    with pytest.raises(UnknownNameError, match="Did you mean 'alice'"):
        people.user("alise").erase("location")
    with pytest.raises(UnknownNameError, match="Did you mean 'alice'"):
        people.user("alise").erase_all()


def test_a_person_is_erased_altogether(alice: Person, people: Personalizer) -> None:
    erased = alice.erase_all()
    assert erased.versions == (1, 2, 3)
    assert {p.target for p in erased.preferences} == {"Reykjavik", "a cat", "Boston"}
    assert (people.users(), alice.list(), alice.history()) == ((), (), ())
    assert traces(people.store.home, "alice", "Reykjavik", "a cat", "Boston") == []
