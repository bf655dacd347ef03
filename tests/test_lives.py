"""Whole lives: what a person has in the end hangs on nothing but what is true of them then.

Fifty preferences are added one by one, ten changed, ten forgotten, five erased, in random order.
"""

import functools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from monogram import keeping
from monogram.editors import keys
from monogram.models.editable import EditableModel
from monogram.people import Person, Personalizer
from monogram.personalizer import compile_monogram
from monogram.store.ledger import ever
from monogram.store.store import Store
from tests.compiled import Compiler, installed
from tests.store.test_erasing import traces

LIFE = {"add": 50, "change": 10, "forget": 10, "erase": 5}
SHORT = {"add": 3, "change": 1, "forget": 1, "erase": 1}


def lived(person: Person, rng: random.Random, life: dict[str, int]) -> tuple[dict[str, str], set[str]]:
    """Live it; what must be true in the end, and what must be nowhere."""
    left, held, erased, turn = dict(life), dict[str, str](), set[str](), 0
    while any(left.values()):
        turn += 1
        verb = rng.choice([verb for verb, count in left.items() for _ in range(count)])
        if not held and verb != "add":
            continue
        left[verb] -= 1
        if verb in ("add", "change"):
            attribute = f"matter {turn}" if verb == "add" else rng.choice(sorted(held))
            held[attribute] = f"value-{turn:03d}-{rng.randrange(10**6):06d}"
            person.add("I said so.", attribute=attribute, target=held[attribute])
            continue
        was = ever(person.owner.store.ledger.history(person.name))
        target = rng.choice(sorted(held.values()) if verb == "forget" else [p.target for p in was])
        getattr(person, verb)(target)
        held = {attribute: value for attribute, value in held.items() if value != target}
        if verb == "erase":
            erased.add(target)
    return held, erased


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))]
)  # 75 changes, each put on the disk: a few seconds; the quick round has one life
def test_a_life_ends_where_it_would_have_begun(
    model: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    installed(monkeypatch)
    people = Personalizer(model, Store(tmp_path / "home"))
    alice = people.user("alice")
    held, erased = lived(alice, random.Random(seed), LIFE)
    assert {p.attribute: p.target for p in alice.list()} == held
    assert alice.delta() == Compiler()(model, alice.list()).delta
    assert [traces(people.store.home, text) for text in erased] == [[]] * 5
    report = alice.verify(all_versions=True)
    assert report.all_faults == ()
    assert report.swept == 0
    assert people.store.ledger.head("alice") == sum(LIFE.values())


@pytest.mark.slow  # the real editor, which reads the corpus on the tiny model first
def test_a_short_life_with_the_real_editor(
    model: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    unchecked = functools.partial(compile_monogram, check=False)  # random weights have no room for anybody
    monkeypatch.setattr(keeping, "compile_monogram", unchecked)
    people = Personalizer(model, Store(tmp_path / "home"))
    alice = people.user("alice")
    held, erased = lived(alice, random.Random(7), SHORT)
    assert {p.attribute: p.target for p in alice.list()} == held
    assert alice.delta() == unchecked(model, alice.list()).delta
    assert alice.verify(all_versions=True).all_faults == ()
    assert [traces(people.store.home, text) for text in erased] == [[]]


@pytest.mark.slow  # as above
def test_what_is_added_after_an_erasure_reads_nothing_anew(
    model: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(keeping, "compile_monogram", functools.partial(compile_monogram, check=False))
    alice = Personalizer(model, Store(tmp_path / "home")).user("alice")
    alice.add(attribute="hobby", target="Quoits")
    alice.add(attribute="secret hobby", target="Chess")
    alice.erase("Quoits")
    alice.erase("Chess")
    reads, plain = list[int](), keys.read_at

    def counted(em: EditableModel, layer: int, rows: Sequence[Any], *rest: Any, **more: Any) -> Tensor:
        reads.append(len(rows))
        return plain(em, layer, rows, *rest, **more)

    monkeypatch.setattr(keys, "read_at", counted)
    alice.add(attribute="hobby", target="Hiking")
    assert reads == []
    alice.add(attribute="secret hobby", target="Go")
    assert 0 < sum(reads) < 500, "its own phrasings alone, and not the pool"
