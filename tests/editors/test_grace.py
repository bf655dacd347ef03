"""GRACE: the question that was edited is answered, all else is as it was; a person's store refuses it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monogram.clusters.cluster import Phrasing
from monogram.editors import registry
from monogram.editors.codebook import Codebook
from monogram.editors.grace import Grace
from monogram.editors.kept import Memory
from monogram.errors import InputError
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.people import Personalizer
from monogram.personalizer import compile_monogram
from monogram.preferences import Preference
from monogram.store.store import Store
from tests import tiny
from tests.editors.clusters import cluster
from tests.models.test_attach import delta_for

PEOPLE = sorted((cluster("hobby", "H"), cluster("job", "B")), key=lambda c: c.preference.digest)
SETTINGS = {"layer": 1, "radius": 1e-3, "steps": 60, "lr": 0.5}


def logits(em: EditableModel, row: list[int]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = em.model(torch.tensor([row])).logits[0]
    return found


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text"])
def test_an_edited_question_is_answered_and_all_else_is_as_it_was(kind: str) -> None:
    em = tiny.editable(kind)
    before, editor = em.weights_digest(), Grace(**SETTINGS)
    book = editor.edit(em, PEOPLE).change
    (fact,), rows = editor.facts(em, PEOPLE[0]), [em.chat_ids("What's my pet?"), em.chat_ids("my hobby?")]
    row, start = fact.rows[0] + fact.answer, len(fact.rows[0]) - 1
    plain = [logits(em, one) for one in (row, *rows)]
    with attach(em, book):
        told, *others = [logits(em, one) for one in (row, *rows)]
    first, second = (logs[start].log_softmax(-1)[fact.answer[0]] for logs in (plain[0], told))
    assert float(second) > float(first) + 2
    assert torch.equal(told[:start], plain[0][:start])
    assert all(torch.equal(one, other) for one, other in zip(others, plain[1:], strict=True))
    assert em.weights_digest() == before


def test_rows_of_a_batch_have_codebooks_and_deltas_of_their_own() -> None:
    em = tiny.editable()
    editor = Grace(**SETTINGS)
    mine, theirs = (editor.edit(em, [person]).change for person in PEOPLE)
    row = editor.facts(em, PEOPLE[0])[0].rows[0]
    owners = [mine, theirs, delta_for(em, 1), None]
    with torch.no_grad(), attach(em, owners):
        together = em.model(torch.tensor([row] * 4)).logits
    for owner, found in zip(owners, together, strict=True):
        with attach(em, owner):
            assert torch.allclose(found, logits(em, row), atol=1e-12)
    assert torch.allclose(together[1], together[3], atol=1e-12)
    assert not torch.allclose(together[0], together[3], atol=1e-2)


def test_synonyms_and_contexts_are_entries_of_one_preference() -> None:
    em, asked = tiny.editable(), Phrasing("What's my pastime?", "ask")
    many = replace(cluster(), train=(*cluster().train, asked))
    edit = Grace(**SETTINGS | {"steps": 1}, synonyms=2, contexts=2).edit(em, [many])
    assert isinstance(edit.change, Codebook)
    assert edit.details["subjects"] == ["hobby", "pastime"]
    assert edit.change.ids == (many.preference.digest,) * 4
    assert edit.change.radii.tolist() == [1e-3] * 4


def test_taking_one_of_many_out_by_id_is_the_edit_of_the_others() -> None:
    em, keep, editor = tiny.editable(), Memory(), Grace(**SETTINGS | {"steps": 2})
    people = sorted((cluster(f"thing {n}", f"T{n}") for n in range(20)), key=lambda c: c.preference.digest)
    whole = editor.edit(em, people, keep=keep).change
    gone, left = people[6], people[:6] + people[7:]
    again = editor.edit(em, left, keep=keep)
    assert isinstance(whole, Codebook)
    assert again.details["found"] == 0
    assert again.change.digest == whole.without(gone.preference.digest).digest
    assert again.change.digest == editor.edit(em, left[::-1]).change.digest


@pytest.fixture
def by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    if "grace" not in registry.editor_names():
        pytest.skip("entry points are an installed package's: pip install -e . first")


@pytest.mark.usefixtures("by_name")
def test_where_only_a_delta_will_do_it_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    em = tiny.editable()
    edit = Grace(**SETTINGS | {"steps": 1}).edit(em, PEOPLE)
    with pytest.raises(InputError, match="peft or merged"):
        _ = edit.delta
    with pytest.raises(InputError, match="cannot be kept for a person"):
        compile_monogram(em, [Preference("hobby", "Hiking")], editor="grace", steps=1)
    alice = Personalizer(em, Store(tmp_path), editor="grace").user("alice")
    with pytest.raises(InputError, match="choose an editor that makes a delta"):
        alice.add(attribute="hobby", target="Hiking")
    assert alice.list() == ()
