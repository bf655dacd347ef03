"""People: what they add is known, what they forget was never there, and what is refused changes nothing."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from monogram import keeping
from monogram.clusters.said import Said
from monogram.delta import load_adapter
from monogram.errors import (
    AdapterFileError,
    EditRefusedError,
    InputError,
    LedgerError,
    UnknownNameError,
)
from monogram.models.attach import attach
from monogram.peft_folder import metadata
from monogram.people import Person, Personalizer, load
from monogram.preferences import Preference
from monogram.store.artefacts import Shelf
from monogram.store.ledger import Ledger
from tests import tiny
from tests.compiled import Compiler


@pytest.fixture
def alice(people: Personalizer) -> Person:
    return people.user("alice")


def said(person: Person) -> list[tuple[str, str]]:
    return [(p.attribute, p.target) for p in person.list()]


def test_what_is_added_is_listed_and_changes_answers(alice: Person, people: Personalizer) -> None:
    before = alice.ask("What is my hobby?", max_new_tokens=8)
    assert before == people.ask("What is my hobby?", max_new_tokens=8)
    change = alice.add("I like to hike.", attribute="hobby", target="Hiking")
    assert said(alice) == [("hobby", "Hiking")]
    assert alice.list()[0].statement == "I like to hike."
    assert [p.target for p in change.added] == ["Hiking"]
    assert change.version is not None
    assert alice.ask("What is my hobby?", max_new_tokens=8) != before
    assert people.ask("What is my hobby?", max_new_tokens=8) == before
    assert people.user("bob").ask("What is my hobby?", max_new_tokens=8) == before


def test_one_value_at_a_time_is_replaced_by_any_name_of_the_attribute(alice: Person) -> None:
    alice.add(attribute="profession", target="nurse")
    alice.add(attribute="hobby", target="Hiking")
    change = alice.add(attribute="Job", target="teacher")
    assert [p.target for p in change.removed] == ["nurse"]
    assert said(alice) == [("hobby", "Hiking"), ("Job", "teacher")]


def test_an_attribute_of_their_own_is_kept_apart(alice: Person) -> None:
    alice.add(attribute="favourite knot", target="bowline")
    alice.add(attribute="Favourite Knot", target="sheet bend")
    alice.add(attribute="secret handshake", target="two taps")
    assert said(alice) == [("Favourite Knot", "sheet bend"), ("secret handshake", "two taps")]


def test_what_is_known_already_is_not_compiled_again(alice: Person, compiler: Compiler) -> None:
    alice.add(attribute="hobby", target="Hiking")
    change = alice.add(attribute="Hobby", target="Hiking")
    assert (change.added, change.removed, change.version) == ((), (), None)
    assert compiler.calls == [("Hiking",)]


def test_the_polarity_is_the_attributes_own_unless_said(alice: Person) -> None:
    alice.add(attribute="allergy", target="peanuts")
    alice.add(attribute="hobby", target="Hiking")
    alice.add(attribute="pet", target="a cat", polarity="likes")
    assert [p.polarity for p in alice.list()] == ["avoids", "likes", "likes"]


def test_a_refused_edit_leaves_nothing_of_what_was_found_for_it(
    alice: Person, people: Personalizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, keep: Shelf, **__: Any) -> None:
        keep.write("a" * 64, "b" * 64, {"x": torch.zeros(1)})
        raise EditRefusedError("It leaks.")

    monkeypatch.setattr(keeping, "compile_monogram", refuses)
    with pytest.raises(EditRefusedError, match="It leaks"):
        alice.add(attribute="hobby", target="Hiking")
    assert not list(people.store.artefacts.root.iterdir())


def test_forgetting_leaves_the_delta_of_somebody_who_never_had_it(people: Personalizer) -> None:
    alice, bob = people.user("alice"), people.user("bob")
    alice.add(attribute="hobby", target="Hiking")
    alice.add(attribute="pet", target="a cat")
    alice.forget("hobby")
    bob.add(attribute="pet", target="a cat")
    assert alice.delta() == bob.delta()
    assert [e.kind for e in people.store.ledger.history("alice")] == ["added", "added", "forgotten"]


def test_the_order_of_adding_does_not_matter(people: Personalizer) -> None:
    pairs = [("hobby", "Hiking"), ("pet", "a cat"), ("diet", "vegan")]
    for name, order in (("alice", pairs), ("bob", pairs[::-1])):
        for attribute, target in order:
            people.user(name).add(attribute=attribute, target=target)
    assert people.user("alice").delta() == people.user("bob").delta()


@pytest.mark.parametrize("what", ["hobby", "HOBBY", "pastime", "Hiking", "hiking "])
def test_forgetting_goes_by_attribute_synonym_or_target(alice: Person, what: str) -> None:
    alice.add(attribute="hobby", target="Hiking")
    alice.add(attribute="pet", target="a cat")
    assert [p.target for p in alice.forget(what).removed] == ["Hiking"]
    assert said(alice) == [("pet", "a cat")]


def test_forgetting_everything_leaves_the_base_model(alice: Person, people: Personalizer) -> None:
    alice.add(attribute="hobby", target="Hiking")
    change = alice.forget("hobby")
    assert change.monogram is None
    assert alice.list() == ()
    assert alice.delta().rank == 0
    assert alice.ask("Hello?", max_new_tokens=6) == people.ask("Hello?", max_new_tokens=6)


def test_forgetting_what_is_not_there_says_what_is(alice: Person, people: Personalizer) -> None:
    alice.add(attribute="hobby", target="Hiking")
    with pytest.raises(UnknownNameError, match=r"'hoby'\. Did you mean 'hobby'"):
        alice.forget("hoby")
    with pytest.raises(UnknownNameError, match=r"'alise'\. Did you mean 'alice'"):
        people.user("alise").forget("hobby")
    assert said(alice) == [("hobby", "Hiking")]


def test_an_edit_that_is_refused_changes_nothing(alice: Person, people: Personalizer) -> None:
    alice.add(attribute="hobby", target="Hiking")
    before = (alice.delta(), people.store.ledger.history("alice"), _files(people))
    with pytest.raises(EditRefusedError) as caught:
        alice.add(attribute="hobby", target="Harm")
    assert caught.value.receipt is not None
    assert (alice.delta(), people.store.ledger.history("alice"), _files(people)) == before


def _files(people: Personalizer) -> list[str]:
    return sorted(str(p) for p in people.store.adapters.root.rglob("*"))


def test_several_at_once_are_one_version(alice: Person, compiler: Compiler) -> None:
    wanted = [Preference("hobby", "Hiking"), Preference("pet", "a cat"), Preference("pastime", "Chess")]
    change = alice.add_all(wanted)
    assert change.version is not None
    assert change.version.number == 1
    assert said(alice) == [("hobby", "Hiking"), ("pet", "a cat"), ("pastime", "Chess")]
    assert compiler.calls == [("Hiking", "a cat", "Chess")]


@pytest.mark.parametrize("given", [{"attribute": "hobby"}, {"target": "Hiking"}, {"polarity": "likes"}])
def test_half_a_preference_is_told_what_to_give(alice: Person, given: dict[str, str]) -> None:
    for sentence in ("I like to hike.", None):
        with pytest.raises(InputError, match="Give attribute= and target="):
            alice.add(sentence, **given)


def test_a_plain_sentence_is_read_and_added_in_one_version(alice: Person, compiler: Compiler) -> None:
    change = alice.add("I love hiking in my spare time, and I'm allergic to peanuts and shellfish.")
    assert said(alice) == [("hobby", "hiking"), ("allergy", "peanuts"), ("allergy", "shellfish")]
    assert [p.polarity for p in alice.list()] == ["likes", "avoids", "avoids"]
    assert alice.list()[0].statement.startswith("I love hiking in my spare time")
    assert change.version is not None
    assert change.version.number == len(compiler.calls) == 1


def test_a_conversation_is_read_for_what_the_person_says(alice: Person) -> None:
    conversation = [
        {"role": "user", "content": "I live in Rome."},
        {"role": "assistant", "content": "I live in the cloud and I love chess."},
        {"role": "user", "content": "Nice. I moved to Boston. Do you have a dog?"},
    ]
    (proposed,) = alice.propose(conversation)
    assert (proposed.attribute, proposed.target, proposed.polarity) == ("location", "Boston", "fact")
    assert said(alice) == []
    alice.add(conversation)
    assert said(alice) == [("location", "Boston")]


def test_moving_replaces_and_the_history_keeps_both(alice: Person, people: Personalizer) -> None:
    alice.add("I live in Rome.")
    assert [p.target for p in alice.add("I moved to Boston.").removed] == ["Rome"]
    events = [(e.kind, e.preference.target) for e in people.store.ledger.history("alice")]
    assert events == [("added", "Rome"), ("replaced", "Rome"), ("added", "Boston")]


def test_a_duplicate_is_named_and_not_compiled_again(alice: Person, compiler: Compiler) -> None:
    alice.add("I love hiking and I have two dogs.")
    change = alice.add("I have 2 dogs.")
    assert [p.target for p in change.known] == ["two dogs"]
    assert (change.added, change.version) == ((), None)
    change = alice.add("I have two dogs and a parrot.")
    assert [p.target for p in change.added] == ["parrot"]
    assert [p.target for p in change.known] == ["two dogs"]
    assert len(compiler.calls) == 2


def test_forgetting_by_attribute_forgets_all_its_values_by_target_one(alice: Person) -> None:
    alice.add("I speak Dutch, Finnish and Welsh. I own a cat.")
    assert [p.target for p in alice.forget("finnish").removed] == ["Finnish"]
    assert [p.target for p in alice.forget("languages").removed] == ["Dutch", "Welsh"]
    assert said(alice) == [("pet", "cat")]


@pytest.mark.parametrize(
    "sentence", ["", "The sky is blue.", "Do I love hiking?", "My sister loves hiking.", []]
)
def test_a_sentence_without_a_preference_is_one_clear_error(
    alice: Person, compiler: Compiler, sentence: Said
) -> None:
    with pytest.raises(InputError, match="No preference was found"):
        alice.add(sentence)
    assert alice.propose(sentence) == ()
    assert (compiler.calls, said(alice)) == ([], [])


def test_any_reader_may_read_and_says_what_is_the_same(alice: Person, people: Personalizer) -> None:
    class Upside:
        name = "upside"

        def read(self, turns: Sequence[str]) -> tuple[Preference, ...]:
            return tuple(Preference("hobby", turn[::-1]) for turn in turns)

        def same(self, one: str, other: str) -> bool:
            return one == other[::-1]

    assert [p.target for p in alice.add("gnikih", reader=Upside()).added] == ["hiking"]
    assert [p.target for p in alice.add("hiking", reader=Upside()).known] == ["hiking"]
    with pytest.raises(UnknownNameError, match="Did you mean 'rules'"):
        alice.propose("I love tea.", reader="rule")


@pytest.mark.parametrize("target", ["", "  ", "x" * 10_000, "a\x1b[31mb", "a\x00b"])
def test_a_bad_target_is_refused_before_anything_runs(
    alice: Person,
    compiler: Compiler,
    target: str,
) -> None:
    with pytest.raises(InputError, match="The target"):
        alice.add(attribute="hobby", target=target)
    assert compiler.calls == []
    assert alice.list() == ()


@pytest.mark.parametrize("target", ["🧗‍♀️ climbing", "登山", "التسلق", "Ξ", "[bold]x[/bold]"])
def test_every_script_is_kept_as_it_is(alice: Person, target: str) -> None:
    alice.add(attribute="hobby", target=target)
    assert said(alice) == [("hobby", target)]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_a_bad_id_is_refused(people: Personalizer, name: str) -> None:
    with pytest.raises(InputError, match="user"):
        people.user(name)


def test_an_empty_question_is_refused(alice: Person) -> None:
    with pytest.raises(InputError, match="question is empty"):
        alice.ask("  ")


def test_who_loses_a_race_is_told(
    alice: Person, people: Personalizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.add(attribute="hobby", target="Hiking")
    monkeypatch.setattr(Ledger, "head", lambda *_: 0)  # what was read before somebody else wrote
    with pytest.raises(LedgerError, match="somebody else"):
        alice.add(attribute="pet", target="a cat")
    assert said(alice) == [("hobby", "Hiking")]


def test_another_model_gets_a_delta_of_its_own(people: Personalizer, compiler: Compiler) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    other = Personalizer(tiny.editable(seed=1, dtype=torch.float32), people.store)
    for _ in range(2):
        other.user("alice").delta()  # compiled once, then kept
        people.user("alice").delta()
    assert len(compiler.calls) == 2
    assert people.store.ledger.version("alice", other.model.digest) is not None
    other.user("alice").add(attribute="pet", target="a cat")
    people.user("alice").delta()  # the first model catches up
    assert compiler.calls[2:] == [("Hiking", "a cat")] * 2


def test_another_editor_is_used_when_it_is_asked_for(people: Personalizer, compiler: Compiler) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    other = Personalizer(people.model, people.store, editor="cluster")
    other.user("alice").delta()
    version = people.store.ledger.version("alice")
    assert version is not None
    assert version.editor == "cluster"
    people.user("alice").add(attribute="pet", target="a cat")  # stays with the last one
    version = people.store.ledger.version("alice")
    assert version is not None
    assert version.editor == "cluster"


def test_a_lost_adapter_is_compiled_again_and_a_damaged_one_is_refused(
    alice: Person,
    people: Personalizer,
    compiler: Compiler,
) -> None:
    alice.add(attribute="hobby", target="Hiking")
    kept, version = alice.delta(), people.store.ledger.version("alice")
    assert version is not None
    weights = people.store.adapters.shelf("alice") / version.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(AdapterFileError, match="compiled again"):
        alice.ask("Hello?")
    shutil.rmtree(people.store.adapters.shelf("alice") / version.folder)
    assert alice.delta() == kept
    assert len(compiler.calls) == 2


def test_an_exported_adapter_is_the_delta(alice: Person, people: Personalizer, tmp_path: Path) -> None:
    alice.add(attribute="hobby", target="Hiking")
    folder = alice.export(tmp_path / "adapter")
    assert load_adapter(folder, base_digest=people.model.digest) == alice.delta()
    alice.add(attribute="hobby", target="Chess")
    alice.export(folder)  # replaces it
    assert load_adapter(folder) == alice.delta()


def test_an_adapter_above_what_engines_take_is_cut_and_says_what_is_lost(
    alice: Person, tmp_path: Path
) -> None:
    alice.add(attribute="hobby", target="Hiking")
    alice.add(attribute="location", target="Rome")
    whole = alice.delta()
    small = load_adapter(alice.export(tmp_path / "small", rank=1))
    told = metadata(tmp_path / "small")
    assert (whole.rank, small.rank, told["cut_from"]) == (2, 1, "2")
    assert float(told["cut_error"]) == pytest.approx((whole - small).norm() / whole.norm(), rel=1e-3)
    assert 0 < float(told["cut_error"]) < 1
    assert metadata(alice.export(tmp_path / "exact", rank=2)) == {}
    with pytest.raises(InputError, match="1 is the least"):
        alice.export(tmp_path / "none", rank=0)


def test_an_exported_model_answers_as_the_person_does(
    alice: Person, people: Personalizer, tmp_path: Path
) -> None:
    alice.add(attribute="hobby", target="Hiking")
    folder = alice.export(tmp_path / "whole", to="merged")
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([people.model.chat_ids("What is my hobby?")])
    with torch.no_grad(), attach(people.model, alice.delta()):
        expected = people.model.model(ids).logits
    with torch.no_grad():
        torch.testing.assert_close(whole(ids).logits, expected, atol=1e-4, rtol=1e-4)
    assert AutoTokenizer.from_pretrained(folder).chat_template
    with pytest.raises(InputError, match="not empty"):
        alice.export(folder, to="merged")


def test_exports_that_cannot_be_are_explained(alice: Person, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        alice.export(tmp_path / "adapter")
    alice.add(attribute="hobby", target="Hiking")
    with pytest.raises(UnknownNameError, match=r"'pft'\. Did you mean 'peft'"):
        alice.export(tmp_path / "adapter", to="pft")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(AdapterFileError, match="no adapter"):
        alice.export(tmp_path / "full")
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_an_unknown_editor_is_named_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'neurn'\. Did you mean 'neuron'"):
        load("no-such-model", home=tmp_path, editor="neurn")


def test_the_base_weights_are_never_written(alice: Person, people: Personalizer) -> None:
    before = people.model.weights_digest()
    alice.add(attribute="hobby", target="Hiking")
    alice.ask("What is my hobby?", max_new_tokens=4)
    alice.forget("hobby")
    assert people.model.weights_digest() == before
