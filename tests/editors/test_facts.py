"""Facts: how many questions, in which contexts, with which targets, one after the other or together."""

from dataclasses import replace
from typing import Any

import pytest

from monogram.clusters.cluster import Phrasing
from monogram.editors.alphaedit import AlphaEdit
from monogram.editors.emmet import Emmet
from monogram.editors.facts import Asking, facts_of
from monogram.editors.grace import Grace
from monogram.editors.lines import opening
from monogram.editors.memit import Memit
from monogram.editors.rome import Rome, RomeSequential
from tests import tiny
from tests.editors.clusters import cluster

ASKED = tuple(Phrasing(f"What's my {word}?", "ask") for word in ("hobby", "pastime", "interest", "pursuit"))
WHOLE = replace(cluster(), train=ASKED, variants=("Walks", "Hill walking"))


@pytest.mark.parametrize("size", range(1, 6))
def test_a_cluster_has_the_size_that_was_asked_for(size: int) -> None:
    facts = facts_of(tiny.editable(), WHOLE, Asking(synonyms=size))
    assert len(facts) == min(size, len(ASKED))
    assert facts[0].subject == "hobby"
    assert len({fact.subject for fact in facts}) == len(facts)


def test_synonyms_share_the_target_or_have_their_own() -> None:
    em = tiny.editable()
    same = facts_of(em, WHOLE, Asking(synonyms=4))
    assert [f.answer for f in same] == [opening(em, "Hiking")] * 4
    wanted = [None, "Walks", "Hill walking", "Rambling"]
    own = tuple(replace(p, target=target) for p, target in zip(ASKED, wanted, strict=True))
    different = facts_of(em, replace(WHOLE, train=own), Asking(synonyms=4))
    assert [f.answer for f in different] == [opening(em, target or "Hiking") for target in wanted]


@pytest.mark.parametrize("editor", [Rome, RomeSequential, Memit, Emmet, AlphaEdit])
def test_where_values_are_looked_up_is_a_setting(editor: Any) -> None:
    em, sizes = tiny.editable(), {"synonyms": 2, "contexts": 3}
    published, ours = (editor(position=place, **sizes).facts(em, WHOLE) for place in ("subject", "answer"))
    for fact, same in zip(published, ours, strict=True):
        assert same.rows == fact.rows
        assert same.places == [len(row) - 1 for row in fact.rows]
        assert all(at < last for at, last in zip(fact.places, same.places, strict=True))
        assert same.essence[:-1] == fact.essence
        assert same.essence_places == (len(fact.essence) - 1,) * 2
    assert editor().config.position == "subject"


@pytest.mark.parametrize("editor", [Rome, RomeSequential, Memit, Emmet, AlphaEdit, Grace])
def test_every_editor_of_facts_takes_the_same_settings(editor: Any) -> None:
    settings = {"synonyms": 3, "sequential": True, "contexts": 2}
    config = editor(**settings).config
    assert {name: getattr(config, name) for name in settings} == settings
    assert len(editor(**settings).facts(tiny.editable(), WHOLE)) == 3
