"""Requests of a crowd on replicas that hold some adapters: who finds theirs in memory, who waits for what.

Plain queues and caches, nothing of a model: `scale.py` gives the seconds. All is drawn from a seed.

    wanted = Crowd(people=100_000, rate=70).asked(1_000_000, seed=0)
    seen = simulate(wanted, Replicas(number=8, held=1024, load=0.05, answer=5.0), seed=0)
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HELD, FILE, STORE = 0, 1, 2
"""Where an adapter is found: in the engine's memory, in the replica's files, in the store."""


@dataclass(frozen=True)
class Crowd:
    """Who asks, and how often.

    Attributes:
        people: who may come in the time that is looked at; they are numbered, the busiest first.
        rate: requests a second, of all together.
        exponent: the k-th of them begins a conversation as often as (k + shift)^-exponent says (Zipf and
            Mandelbrot); 0 is everybody alike.
        shift: how flat it is at the top: without it the first of a million, at exponent 1, would have 7 % of
            all requests, which no person has.
        turns: requests of a conversation.
        pause: mean seconds between two of them, exponential.
    """

    people: int = 1_000_000
    rate: float = 70.0
    exponent: float = 1.0
    shift: float = 0.0
    turns: int = 1
    pause: float = 60.0

    def weights(self) -> Floats:
        """The share of the conversations that each person begins, (people,)."""
        weights: Floats = (np.arange(1, self.people + 1) + self.shift) ** -float(self.exponent)
        return weights / weights.sum()

    def asked(self, count: int, seed: int) -> Asked:
        """About so many requests: conversations begin as a Poisson process, of people drawn anew each."""
        rng = np.random.default_rng(seed)
        begun = np.cumsum(rng.exponential(self.turns / self.rate, max(1, count // self.turns)))
        who = np.searchsorted(np.cumsum(self.weights()), rng.random(len(begun)))
        pauses = rng.exponential(self.pause, (len(begun), self.turns))
        pauses[:, 0] = 0.0
        times = (begun[:, None] + np.cumsum(pauses, axis=1)).ravel()
        people = np.repeat(np.minimum(who, self.people - 1), self.turns)
        order = np.argsort(times, kind="stable")
        order = order[
            times[order] <= begun[-1]
        ]  # what would come after the last has begun is no full traffic
        return Asked(times[order], people[order])


@dataclass(frozen=True)
class Asked:
    """Requests in the order of their times: seconds, (n,), and people, (n,)."""

    times: Floats
    people: Ints


@dataclass(frozen=True)
class Replicas:
    """Engines, all alike.

    Attributes:
        number: how many.
        held: adapters in the memory of one; the least recently used goes.
        files: adapters in the files of one; 0: none ever goes, as it is now.
        fetch: seconds from the store to a file, many at once.
        load: seconds from a file into the engine, one after the other.
        answer: mean seconds of an answer, exponential.
        at_once: answers that one writes at once; the next waits.
    """

    number: int = 8
    held: int = 256
    files: int = 0
    fetch: float = 0.0
    load: float = 0.0
    answer: float = 0.0
    at_once: int = 64


@dataclass(frozen=True)
class Seen:
    """What came of it; the first part of the requests, which fills the memories, is not counted.

    Attributes:
        where: (n,) HELD, FILE or STORE.
        added: (n,) seconds that somebody waits for an adapter.
        queued: (n,) seconds after that until one of the engine's places is free.
        seconds: how long what is counted took.
        busy: share of a replica's time in which an adapter is loaded, the mean of the replicas.
        files: adapters in a replica's files at the end, the mean.
        shares: (replicas,) of the requests.
    """

    where: Ints
    added: Floats
    queued: Floats
    seconds: float
    busy: float
    files: float
    shares: Floats

    def figures(self, replicas: Replicas) -> dict[str, Any]:
        """The figures that a table shows."""
        loads = self.where != HELD
        each = self.seconds * replicas.number
        return {
            "held": replicas.held,
            "hit rate": round(float(np.mean(~loads)), 4),
            "of the store": round(float(np.mean(self.where == STORE)), 4),
            "loads a second, each replica": float(f"{loads.sum() / each:.3g}"),
            "loading, share of time": round(self.busy, 4),
            "added seconds, median p95 p99": _quantiles(self.added),
            "queued seconds, median p95 p99": _quantiles(self.queued),
            "adapters in files, each replica": round(self.files),
            "busiest replica, times the mean": round(float(self.shares.max() * replicas.number), 3),
        }


def simulate(asked: Asked, replicas: Replicas, *, seed: int, warm: float = 0.5) -> Seen:
    """Send requests to the replicas of their people, and see what they wait for.

    Args:
        asked: the requests.
        replicas: what answers.
        seed: of the answers' lengths.
        warm: share of the requests that only fill the memories.
    """
    rng = np.random.default_rng([seed, 1])  # not the stream that `asked` drew from
    names = np.arange(replicas.number)
    target = replica_of(asked.people, names)
    count, first = len(asked.times), int(warm * len(asked.times))
    where, added, queued = np.zeros(count, np.int64), np.zeros(count), np.zeros(count)
    since = asked.times[first]
    seconds = float(asked.times[-1] - since)
    busy, files = list[float](), list[int]()
    for name in names:
        mine = np.flatnonzero(target == name)
        if not len(mine):
            continue
        times = asked.times[mine]
        found, loaded, kept = _found(asked.people[mine], replicas.held, replicas.files)
        loads = np.flatnonzero(found != HELD)
        begun = times[loads] + replicas.fetch * (found[loads] == STORE)
        ready = np.zeros(len(mine))
        ready[loads] = one_by_one(begun, replicas.load)
        waits = np.maximum(ready[loaded] - times, 0.0)  # also who comes while their adapter is being loaded
        lengths = rng.exponential(replicas.answer, len(mine)) if replicas.answer else np.zeros(len(mine))
        where[mine], added[mine] = found, waits
        queued[mine] = _queued(times + waits, lengths, replicas.at_once)
        busy.append(float((times[loads] >= since).sum() * replicas.load / seconds))
        files.append(kept)
    shares = np.bincount(target[first:], minlength=replicas.number) / (count - first)
    held = (float(np.mean(busy)), float(np.mean(files)))
    return Seen(where[first:], added[first:], queued[first:], seconds, *held, shares)


def replica_of(people: Ints, names: Sequence[int] | Ints) -> Ints:
    """Which of the replicas each person goes to, (n,): rendezvous hashing, as `Gateway` does with sha256."""
    best, chosen = np.zeros(len(people), np.uint64), np.zeros(len(people), np.int64)
    own = _mixed(people.astype(np.uint64))
    for name in names:
        score = _mixed(own ^ _mixed(np.array([name + 1], np.uint64) * np.uint64(0x9E3779B97F4A7C15)))
        better = score >= best
        best, chosen = np.where(better, score, best), np.where(better, name, chosen)
    return chosen


def one_by_one(begun: Floats, seconds: float) -> Floats:
    """When each of some jobs is done that take the same time, one after the other as they come, (n,)."""
    order = np.argsort(begun, kind="stable")
    turn = seconds * np.arange(len(begun))
    done = np.empty(len(begun))
    done[order] = np.maximum.accumulate(begun[order] - turn) + turn + seconds
    return done


def needed(rate: float, answer: float, at_once: int, full: float = 0.7) -> int:
    """Replicas for so many requests a second, if `full` of their places may be taken on the mean."""
    return max(1, math.ceil(round(rate * answer / (at_once * full), 9)))


def _found(people: Ints, held: int, files: int) -> tuple[Ints, Ints, int]:
    """Where each adapter is found, (n,); which request had it loaded, (n,); files at the end."""
    memory, disk = OrderedDict[int, int](), OrderedDict[int, None]()
    where, loaded = np.zeros(len(people), np.int64), np.zeros(len(people), np.int64)
    for number, person in enumerate(people.tolist()):
        if person in memory:
            memory.move_to_end(person)
        else:
            where[number] = FILE if person in disk else STORE
            memory[person] = number
            disk[person] = None
            disk.move_to_end(person)
            if len(memory) > held:
                memory.popitem(last=False)
            if files and len(disk) > files:
                disk.popitem(last=False)
        loaded[number] = memory[person]
    return where, loaded, len(disk)


def _queued(ready: Floats, lengths: Floats, at_once: int) -> Floats:
    """Seconds until one of the places is free, first come, first served, (n,)."""
    waits, free = np.zeros(len(ready)), [0.0] * at_once
    order = np.argsort(ready, kind="stable")
    ordered = zip(order.tolist(), ready[order].tolist(), lengths[order].tolist(), strict=True)
    for number, time, length in ordered:
        begun = max(time, free[0])
        heapq.heapreplace(free, begun + length)
        waits[number] = begun - time
    return waits


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser (Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _quantiles(values: Floats) -> list[float]:
    return [float(f"{value:.3g}") for value in np.quantile(values, (0.5, 0.95, 0.99))]
