"""Deltas stay under a bound of bytes, are read once, and are always the present version's."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from monogram.errors import AdapterError, NotCompiledError
from monogram.people import Personalizer
from monogram.serving.residency import Residency


def resident(people: Personalizer, **more: Any) -> Residency:
    return Residency(people.store, people.model.digest, **more)


def test_who_is_unknown_or_has_nothing_left_is_the_base_model(people: Personalizer) -> None:
    held = resident(people)
    assert held.owner("nobody") is None
    people.user("alice").add(attribute="hobby", target="Hiking")
    assert held.owner("alice") == people.user("alice").delta()
    people.user("alice").forget("hobby")
    assert held.owner("alice") is None


def test_a_change_shows_in_the_next_request_and_its_past_goes(people: Personalizer) -> None:
    held = resident(people)
    alice = people.user("alice")
    for target in ("Hiking", "Chess", "Tea"):
        alice.add(attribute="hobby", target=target)
        for _ in range(3):
            assert held.owner("alice") == alice.delta()
    assert (held.loads, held.hits, held.people) == (3, 6, 1)
    assert held.nbytes == alice.delta().nbytes


def test_the_least_recently_used_go_under_the_bound(people: Personalizer) -> None:
    for name in "abc":
        people.user(name).add(attribute="hobby", target=name.upper())
    one = people.user("a").delta().nbytes
    held = resident(people, budget=2 * one)
    for name in "abacab":
        assert held.owner(name) == people.user(name).delta()
        assert held.nbytes <= 2 * one
    assert held.loads == 4  # a, b, c (which sends b away), b again
    little = resident(people, budget=1)
    assert little.owner("a") == people.user("a").delta()
    assert little.people == 1


def test_many_at_once_read_it_once(people: Personalizer, monkeypatch: pytest.MonkeyPatch) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    held, real, gate = resident(people), people.store.delta, threading.Event()

    def slow(*args: Any) -> Any:
        gate.wait(5)
        return real(*args)

    monkeypatch.setattr(people.store, "delta", slow)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(held.owner, "alice") for _ in range(8)]
        gate.set()
        found = [one.result() for one in waiting]
    assert all(one is found[0] for one in found)
    assert held.loads == 1


def test_what_cannot_be_read_is_told_each_time_and_kept_never(people: Personalizer, tmp_path: Path) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    version = people.store.ledger.version("alice")
    assert version is not None
    weights = people.store.adapters.shelf("alice") / version.folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    held = resident(people)
    for _ in range(2):
        with pytest.raises(AdapterError, match="damaged"):
            held.owner("alice")
    weights.write_bytes(whole)
    assert held.owner("alice") == people.user("alice").delta()


def test_another_models_version_is_no_answer(people: Personalizer) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    with pytest.raises(NotCompiledError, match="compiled for another model"):
        Residency(people.store, "0" * 64).owner("alice")
