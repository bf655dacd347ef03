"""The work of a run: what is missing is made, a few states at a time, and written down at once.

What the base model does with an ask is made once and shared. For each method the states go in chunks: their
preferences are taken in, once for all tasks that ask about them, then everything is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monogram.bench.asks import Ask, Case, Plan
from monogram.bench.facts import State
from monogram.bench.meter import Extra
from monogram.bench.methods import Method, Prepared
from monogram.bench.protocol import Protocol
from monogram.bench.raw import BASE, PREPARE, SKIPPED, Key, RawLog, Record, key
from monogram.bench.tasks.base import Task
from monogram.bench.work import Job, Worker
from monogram.errors import MonogramError
from monogram.models.editable import EditableModel

Progress = Callable[[str, int, int], None]
MADE = "asking"
"""What the bar says while asks are done."""


@dataclass(frozen=True)
class Settings:
    """How a run is done; none of it but the protocol changes a result."""

    protocol: Protocol = field(default_factory=Protocol)
    batch_size: int = 48
    """Answers that are written together."""
    chunk: int = 4
    """States whose edits are held in memory together."""


@dataclass(frozen=True)
class Place:
    """Where an ask belongs."""

    task: Task
    case: Case
    ask: Ask

    def row(self, method: str, seed: int) -> dict[str, Any]:
        """What its row begins with."""
        return {
            "method": method,
            "seed": seed,
            "task": self.task.name,
            "item": self.case.item,
            "kind": self.ask.kind,
            "variant": self.ask.variant,
            "state": self.case.state.id,
        }


class Session:
    """What is left of a run on one model; everything goes to the log at once.

    Args:
        model: as the protocol sees it.
        plans: what each task wants.
        log: where rows go, open.
        settings: how it is done.
        progress: called with (what, done, total).
    """

    def __init__(
        self,
        model: EditableModel,
        plans: Sequence[tuple[Task, Plan]],
        log: RawLog,
        settings: Settings,
        progress: Progress,
    ) -> None:
        self.log = log
        self.settings = settings
        self.progress = progress
        self.worker = Worker(model, settings.protocol, settings.batch_size)
        self.plans = tuple(plans)
        self.places = [Place(t, case, ask) for t, plan in plans for case in plan.cases for ask in case.asks]
        self._before: list[str] = []
        self._done = self._total = 0

    def base(self, runs: Sequence[tuple[str, int]]) -> None:
        """What the base model does with every ask, each once; what cannot be asked is said.

        Args:
            runs: (method, seed) of all that will run, for the bar.
        """
        for task, plan in self.plans:
            for item, why in plan.skipped:
                self._skip(BASE, 0, task.name, item, "", why)
        wanted: dict[str, Ask] = {}
        for place in self.places:
            if place.ask.how not in ("next", "digest"):
                wanted.setdefault(self.worker.given(place.ask), place.ask)
        self._total = len(wanted) + len(runs) * len(self.places)
        self._done = sum(_base_key(given) in self.log.records for given in wanted)
        self._done += sum(key(place.row(*run)) in self.log.records for run in runs for place in self.places)
        givens = list(wanted)
        nobody = Prepared(None, lambda messages: [dict(message) for message in messages], 0.0)
        jobs = [Job(ask, nobody) for ask in wanted.values()]

        def there(index: int) -> bool:
            return _base_key(givens[index]) in self.log.records

        for index, fields in self.worker.do(jobs, there):
            if not there(index):
                row = {"method": BASE, "seed": 0, "task": "", "item": "", "kind": BASE}
                self._write({**row, "variant": givens[index], **jobs[index].ask.shown(), **fields})

    def method(self, method: Method, seed: int) -> None:
        """One method over all states that are not done: those with few preferences first, those that are come
        back to last. A prompt that a method before it was answered is not answered again.
        """
        self.worker.known = {
            row["prompt"]: row["answer"]
            for row in self.log.records.values()
            if "prompt" in row and row["method"] in self._before
        }
        self._before.append(method.name)
        states: dict[str, State] = {place.case.state.id: place.case.state for place in self.places}
        ordered = sorted(states.values(), key=lambda state: (state.again, len(state.facts)))
        for start in range(0, len(ordered), self.settings.chunk):
            chunk = {state.id: state for state in ordered[start : start + self.settings.chunk]}
            places = [place for place in self.places if place.case.state.id in chunk]
            if not all(self._settled(place, method.name, seed) for place in places):
                self._ask(method, seed, places, dict(self._prepared(method, seed, chunk, places)))

    def _settled(self, place: Place, method: str, seed: int) -> bool:
        """Whether an ask has its row, or it is written why not."""
        row = place.row(method, seed)
        why = (method, seed, place.task.name, place.case.item, SKIPPED, row["state"])
        return key(row) in self.log.records or why in self.log.records

    def _prepared(
        self, method: Method, seed: int, states: Mapping[str, State], places: Sequence[Place]
    ) -> Iterator[tuple[str, Prepared]]:
        """Take the preferences of each state in; where that fails, why is written down for all who ask."""
        for number, (name, state) in enumerate(states.items()):
            self.progress(f"{method.name}: taking in preferences", number, len(states))
            try:
                with Extra(self.worker.model) as extra:
                    prepared = method.prepare(state.facts, again=state.again)
            except MonogramError as error:
                for place in places:
                    if place.case.state.id == name:
                        self._skip(method.name, seed, place.task.name, place.case.item, name, str(error))
                continue
            self._took(method.name, seed, state, prepared, extra.nbytes)
            yield name, prepared

    def _took(self, method: str, seed: int, state: State, prepared: Prepared, memory: int | None) -> None:
        """Write down what it took. What was measured first stays, unless the delta has become another one."""
        row = {
            "method": method,
            "seed": seed,
            "task": "",
            "item": state.id,
            "kind": PREPARE,
            "state": state.id,
            "preferences": len(state.facts),
            "again": state.again,
            "facts": [f"{f.preference.attribute}: {f.preference.target}" for f in state.facts],
            "seconds": prepared.seconds,
            "extra_memory": memory,
            "delta": "" if prepared.delta is None else prepared.delta.digest,
            "details": dict(prepared.details),
        }
        before = self.log.records.get(key(row))
        if before is None or before["delta"] != row["delta"]:
            self.log.append(row)

    def _ask(self, method: Method, seed: int, places: Sequence[Place], ready: Mapping[str, Prepared]) -> None:
        """Everything that these states are asked and has no row yet."""
        asked = [place for place in places if place.case.state.id in ready]
        left: list[Place] = []
        for place in asked:
            if Job(place.ask, ready[place.case.state.id]).untouched:
                if not self._settled(place, method.name, seed):
                    self._row(place, method.name, seed, self._base(place.ask))
            else:
                left.append(place)
        jobs = [Job(place.ask, ready[place.case.state.id]) for place in left]

        def there(index: int) -> bool:
            return self._settled(left[index], method.name, seed)

        gates = self._gates(left, jobs)
        for index, fields in self.worker.do(jobs, there):
            if not there(index):
                self._row(left[index], method.name, seed, fields | gates.get(index, {}))

    def _gates(self, places: Sequence[Place], jobs: Sequence[Job]) -> dict[int, dict[str, Any]]:
        """Number of a job -> what its row says of the gate, where its task wants it; a state at once."""
        states: dict[str, list[int]] = {}
        for number, place in enumerate(places):
            if place.ask.kind in place.task.gated:
                states.setdefault(place.case.state.id, []).append(number)
        return {
            number: {"gate": gate}
            for numbers in states.values()
            for number, gate in zip(numbers, self.worker.gates([jobs[n] for n in numbers]), strict=True)
            if gate is not None
        }

    def _row(self, place: Place, method: str, seed: int, fields: Record) -> None:
        """One finished ask, with the base model's result and the task's marks."""
        base = self._base(place.ask)
        row = {**place.row(method, seed), **place.ask.shown(), **place.ask.gold, **fields}
        row["base"] = base
        why = row.get("why") or base.get("why")
        row |= {"why": why, "scores": {}} if why else {"scores": place.task.marks(row)}
        self._write(row)

    def _base(self, ask: Ask) -> dict[str, Any]:
        """The base model's result, without what its row is found by."""
        found = self.log.records.get(_base_key(self.worker.given(ask)), {})
        return {name: found[name] for name in RESULTS if name in found}

    def _skip(self, method: str, seed: int, task: str, item: str, state: str, why: str) -> None:
        row = {"method": method, "seed": seed, "task": task, "item": item, "kind": SKIPPED, "variant": state}
        row |= {"state": state, "why": why}
        if key(row) not in self.log.records:
            self.log.append(row)

    def _write(self, row: Mapping[str, Any]) -> None:
        self.log.append(row)
        self._done += 1
        self.progress(MADE, min(self._done, self._total), self._total)


RESULTS = ("answer", "head", "loglik", "tokens", "loss", "extra_tokens", "why")
"""Fields of a row that say what came out of an ask."""


def _base_key(given: str) -> Key:
    return BASE, 0, "", "", BASE, given
