"""Gates: what an edit's detectors say of conversations as they are asked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monogram.bench.asks import Chat, said
from monogram.bench.facts import fact
from monogram.bench.gates import gates_of, standing
from monogram.bench.methods import Edited
from monogram.clusters.pool import pool
from monogram.editors import intent
from monogram.editors.kept import Memory
from monogram.editors.neuron import Neuron
from monogram.editors.rome import Rome
from monogram.editors.values import ValueConfig
from tests import tiny
from tests.bench.records import item
from tests.editors.clusters import cluster

POOL = (*pool()[:12], *[entry for entry in pool() if not entry.owner][-12:])
SETTINGS: dict[str, Any] = {"layer": 1, "asks": 1, "advice": 1, "value": ValueConfig(steps=2, stop=0.0)}
CHATS: list[Chat] = [
    said("What's my hobby?"),
    said("And my job?", before=[("Hi", "Hello"), ("Well?", "Well.")]),
    said("What's 2 + 2?", system="Be brief."),
]
texts = st.text(min_size=1, max_size=9)


@pytest.fixture(autouse=True)
def little_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    places = list(range(4)), list(range(4, 12)), list(range(12, 24))
    monkeypatch.setattr(intent, "pool", lambda: POOL)
    monkeypatch.setattr(intent, "contrast_of", lambda _: places)


@given(texts, st.none() | texts, st.lists(st.tuples(texts, texts), max_size=2))
def test_a_conversation_is_read_as_it_is_asked(
    text: str, system: str | None, before: list[tuple[str, str]]
) -> None:
    chat = said(text, system=system, before=before)
    assert standing(chat).messages() == [dict(message) for message in chat]


def test_a_gate_is_what_the_loudest_detector_says() -> None:
    em, editor = tiny.editable(), Neuron(**SETTINGS)
    known = [fact(item()), fact(item(attribute="job", target="Baker"))]
    gates = Edited(em, editor, []).prepare(known).gates
    assert gates is not None
    keep = Memory()
    clusters = Edited(em, editor, []).clusters(known)
    editor.edit(em, clusters, keep=keep)
    heard = editor.readings(em, clusters, [[standing(chat) for chat in CHATS]], keep)
    assert heard is not None
    assert heard[0].shape == (3, 2)
    assert gates(CHATS) == [max(0.0, *row) for row in heard[0].tolist()]
    assert len(set(gates(CHATS))) == 3


def test_who_cannot_be_read_has_none() -> None:
    assert gates_of(Rome(), tiny.editable(), [cluster("hobby", "Hiking")], Memory()) is None
    unread = gates_of(Neuron(**SETTINGS), tiny.editable(), [cluster("hobby", "Hiking")], Memory())
    assert unread is not None
    assert unread(CHATS) is None  # nothing was found that could be read
