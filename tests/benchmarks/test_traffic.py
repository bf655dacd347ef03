"""The simulation behind docs/scale.md, against what can be computed by hand."""

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.traffic import (
    FILE,
    HELD,
    STORE,
    Asked,
    Crowd,
    Replicas,
    needed,
    one_by_one,
    replica_of,
    simulate,
)
from monogram.serving.gateway import Gateway
from monogram.serving.replica import Replica

PEOPLE = 2000


def by_the_gateway(names: list[int]) -> np.ndarray:
    """Where the real gateway sends everybody."""
    nothing: Any = None
    gateway = Gateway(nothing, nothing, ())
    gateway.replicas = [Replica(f"http://replica-{name}:8001", nothing) for name in names]
    for one in gateway.replicas:
        one.alive = True
    said = [gateway._next(f"person-{person}", (), set()).url for person in range(PEOPLE)]
    return np.array([int(url.removeprefix("http://replica-").removesuffix(":8001")) for url in said])


def by_the_simulation(names: list[int]) -> np.ndarray:
    return replica_of(np.arange(PEOPLE), names)


@pytest.mark.parametrize("send", [by_the_gateway, by_the_simulation])
def test_shares_are_even_and_only_a_dead_replicas_people_move(send: Any) -> None:
    before, after = send([0, 1, 2, 3, 4]), send([0, 1, 3, 4])
    shares = np.bincount(before, minlength=5) / PEOPLE
    spread = math.sqrt(0.2 * 0.8 / PEOPLE)
    assert np.abs(shares - 0.2).max() < 4 * spread
    assert (before[before != 2] == after[before != 2]).all()
    moved = np.bincount(after[before == 2], minlength=5)[[0, 1, 3, 4]]
    assert np.abs(moved / moved.sum() - 0.25).max() < 4 * math.sqrt(0.25 * 0.75 / moved.sum())


def test_with_room_for_everybody_each_is_loaded_once() -> None:
    asked = Crowd(people=300, exponent=0.8).asked(20_000, seed=1)
    seen = simulate(asked, Replicas(number=3, held=300), seed=1, warm=0)
    assert (seen.where != HELD).sum() == len(set(asked.people.tolist()))
    assert not (seen.where == FILE).any()


@pytest.mark.parametrize("held", [50, 250])
def test_where_everybody_is_alike_the_hit_rate_is_the_share_that_is_held(held: int) -> None:
    asked = Crowd(people=1000, exponent=0.0).asked(200_000, seed=2)
    seen = simulate(asked, Replicas(number=1, held=held), seed=2)
    assert np.mean(seen.where == HELD) == pytest.approx(held / 1000, abs=0.005)


def test_the_hit_rate_of_zipf_is_ches() -> None:
    """Che, Tung and Wang (2002): somebody is held if they came within T, and T is such that `held` are."""
    crowd, held = Crowd(people=5000, exponent=0.9, rate=1.0), 500
    weights = crowd.weights()
    low, high = 0.0, 1e9
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if (1 - np.exp(-weights * middle)).sum() < held else (low, middle)
    seen = simulate(crowd.asked(300_000, seed=3), Replicas(number=1, held=held), seed=3)
    assert np.mean(seen.where == HELD) == pytest.approx(
        (weights * (1 - np.exp(-weights * low))).sum(), abs=0.01
    )


def test_weights_are_those_of_zipf_and_mandelbrot() -> None:
    weights = Crowd(people=4, exponent=1.0, shift=1.0).weights()
    assert weights == pytest.approx(np.array([1 / 2, 1 / 3, 1 / 4, 1 / 5]) / (77 / 60))


def test_loads_wait_as_a_queue_of_constant_jobs() -> None:
    """Pollaczek and Khinchine: the mean wait is use × seconds / (2 (1 − use)), and then the load itself."""
    asked = Crowd(people=1_000_000, exponent=0.0, rate=5.0).asked(200_000, seed=4)
    seen = simulate(asked, Replicas(number=1, held=1, load=0.1, fetch=0.03), seed=4, warm=0.1)
    use = 0.5
    assert np.mean(seen.added) == pytest.approx(0.03 + 0.1 + use * 0.1 / (2 * (1 - use)), rel=0.03)
    assert seen.busy == pytest.approx(use, rel=0.02)


def test_places_are_a_queue_of_erlangs() -> None:
    """Erlang C: the mean wait is P(wait) × answer / (places (1 − use))."""
    places, answer, rate = 4, 2.0, 1.2
    use = rate * answer / places
    load = rate * answer
    busy = load**places / math.factorial(places) / (1 - use)
    waiting = busy / (sum(load**k / math.factorial(k) for k in range(places)) + busy)
    asked = Crowd(people=100, rate=rate).asked(400_000, seed=5)
    seen = simulate(asked, Replicas(number=1, held=100, answer=answer, at_once=places), seed=5)
    assert np.mean(seen.queued) == pytest.approx(waiting * answer / (places * (1 - use)), rel=0.05)
    assert np.mean(seen.queued > 0) == pytest.approx(waiting, abs=0.02)


def test_who_asks_while_their_adapter_is_loaded_waits_for_what_is_left() -> None:
    asked = Asked(np.array([0.0, 0.4, 2.0, 3.0, 3.1]), np.array([7, 7, 7, 8, 7]))
    seen = simulate(asked, Replicas(number=1, held=1, fetch=0.5, load=1.0), seed=0, warm=0)
    assert seen.where.tolist() == [STORE, HELD, HELD, STORE, FILE]
    assert seen.added == pytest.approx([1.5, 1.1, 0.0, 2.1, 1.0])  # 7 is loaded from 3.1 to 4.1, then 8


def test_files_can_have_a_bound() -> None:
    asked = Asked(np.arange(4.0), np.array([1, 2, 3, 1]))
    for files, found in ((0, FILE), (2, STORE)):
        assert simulate(asked, Replicas(number=1, held=1, files=files), seed=0, warm=0).where[-1] == found


def test_the_same_seed_is_the_same_traffic_and_conversations_follow_each_other() -> None:
    crowd = Crowd(people=1000, rate=10.0, turns=4, pause=5.0)
    one, two, other = (crowd.asked(40_000, seed=seed) for seed in (6, 6, 7))
    assert (one.people == two.people).all()
    assert (one.times == two.times).all()
    assert one.times[0] != other.times[0]
    assert (np.diff(one.times) >= 0).all()
    assert len(one.times) / one.times[-1] == pytest.approx(10.0, rel=0.05)


def test_jobs_are_done_in_the_order_in_which_they_come() -> None:
    assert one_by_one(np.array([5.0, 0.0, 0.5]), 1.0) == pytest.approx([6.0, 1.0, 2.0])


def test_replicas_are_enough_for_the_rate_and_not_more() -> None:
    assert needed(70, 5.0, 64) == 8  # 350 answers at once, 44.8 for each
    assert needed(44.8, 1.0, 64) == 1
    assert needed(0.1, 1.0, 64) == 1
