"""A run: what is to do, who does it, and the manifest of what became of each person.

The manifest is a journal: a line is on the disk as soon as a person is done. It says how each person came to
what they have; that they have it, the ledger says. A run that was killed is gone on with by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from monogram.bulk.roster import Roster, Wanted
from monogram.bulk.standing import Standings
from monogram.bulk.work import Outcome
from monogram.errors import InputError, StoreError
from monogram.journal import Journal
from monogram.store.store import Store

Progress = Callable[[str, int, int], None]
Records = Mapping[str, Mapping[str, Any]]
"""A manifest's lines, by key."""
Engine = Callable[[Sequence[Wanted]], Iterator[Outcome]]
"""Does people, in any order; closing what it returns drops who is in hand."""
SAME = ("user", "version", "digest", "why", "tried")
"""What two outcomes have in common that are of the same making."""
ENOUGH = 3
"""So many people that were compiled say how long the others will take."""


@dataclass(frozen=True)
class Plan:
    """What is to do.

    Attributes:
        todo: people to compile.
        settled: what is known already: who is as the file says, who was refused for the same before, rows
            that cannot be used.
        preferences: how many have to be compiled.
        pace: seconds that a preference took before, by the manifest; None where that is not known.
    """

    todo: tuple[Wanted, ...]
    settled: tuple[Outcome, ...]
    preferences: int = 0
    pace: float | None = None

    def count(self, status: str) -> int:
        """How many of those that are known already have a status."""
        return sum(one.status == status for one in self.settled)


@dataclass
class Done:
    """What came of a run: outcomes by key, in the order of the file."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """How many have a status."""
        return sum(one.status == status for one in self.outcomes.values())

    @property
    def problems(self) -> list[Outcome]:
        """Who was refused, and what failed."""
        return [one for one in self.outcomes.values() if one.status in ("refused", "failed")]


def manifest_of(people: Path) -> Path:
    """Where the manifest of a file of people is by default: beside it, as both tell of people in plain words
    and ids, so that whoever erases somebody finds the two together. The store keeps no such file.
    """
    return people.with_name(f"{people.name}.manifest.jsonl")


def plan(
    roster: Roster,
    store: Store,
    before: Records,
    *,
    base: str,
    editor: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """What is to do for a file.

    Args:
        before: what the manifest says.
        base: the model's digest.
        editor: how preferences become weights; None for each person's last one.
        again: try also what was refused before, and would be for the same reason.

    Raises:
        StoreError: the store cannot be read.
    """
    known, standings = frozenset(store.ledger.users()), Standings(store, base, editor)
    todo, settled, count = list[Wanted](), list[Outcome](), 0
    for turn, wanted in enumerate(roster.people):
        if progress is not None:
            progress("looking at who is there", turn, len(roster.people))
        try:
            now = standings.of(wanted, known)
        except InputError:  # of this person alone: the one who does it will say what it is
            todo.append(wanted)
            continue
        told = before.get(f"user {wanted.user}", {})
        if now.done:
            settled.append(Outcome.done(wanted, "unchanged", now.version, len(now.left)))
        elif not again and told.get("status") == "refused" and told.get("tried") == now.tried:
            settled.append(Outcome.of(wanted, "refused", why=str(told.get("why")), tried=now.tried))
        else:
            todo.append(wanted)
            new = sum(kind == "added" for kind, _ in now.steps)
            count += new or len(now.left)  # for another model, or other settings, all of them
    settled += map(Outcome.wrong, roster.wrong)
    return Plan(tuple(todo), tuple(settled), count, _pace(before))


def run(
    todo: Plan,
    engine: Engine,
    journal: Journal,
    *,
    progress: Progress | None = None,
    told: Callable[[Outcome], None] | None = None,
) -> Done:
    """Do it.

    Args:
        engine: who does it.
        journal: the manifest, open.
        progress: called with (what, done, total).
        told: called with each outcome as it comes.

    Raises:
        StoreError: nobody else can be done either; who was done stays so.
    """
    done = Done()
    for outcome in todo.settled:
        _note(journal, outcome)
        done.outcomes[outcome.key] = outcome
    outcomes, total = engine(todo.todo) if todo.todo else iter(()), len(todo.todo)
    try:
        if progress is not None and total:
            progress("compiling people", 0, total)
        for number, outcome in enumerate(outcomes, start=1):
            _note(journal, outcome)
            done.outcomes[outcome.key] = outcome
            if outcome.lasting:
                raise StoreError(f"It stopped at {outcome.user!r}: {outcome.why}")
            if told is not None:
                told(outcome)
            if progress is not None:
                progress("compiling people", number, total)
    finally:
        close = getattr(outcomes, "close", None)
        if close is not None:
            close()
    for wanted in todo.todo:
        if f"user {wanted.user}" not in done.outcomes:
            why = "The process that compiled them died each time it was tried; out of memory, it may be."
            outcome = Outcome.of(wanted, "failed", why=why)
            _note(journal, outcome)
            done.outcomes[outcome.key] = outcome
    done.outcomes = dict(sorted(done.outcomes.items(), key=lambda item: item[1].lines))
    journal.keep_only(done.outcomes)
    return done


def local(worker: Callable[[], Callable[[Wanted], Outcome]]) -> Engine:
    """The engine that is this process: one person after the other. `worker` makes the one who does them."""

    def do(todo: Sequence[Wanted]) -> Iterator[Outcome]:
        one = worker()
        yield from map(one, todo)

    return do


def _note(journal: Journal, outcome: Outcome) -> None:
    """Write a line. Where the manifest says already how the person came to this, it goes on saying so."""
    before, record = journal.records.get(outcome.key), outcome.as_record()
    if before is not None and not outcome.seconds and all(before.get(name) == record[name] for name in SAME):
        record = {**before, "lines": list(outcome.lines)}
    if before is None or before != {"key": outcome.key, **record}:
        journal.add(outcome.key, record)


def _pace(before: Records) -> float | None:
    """Seconds for a preference, by people who were compiled before."""
    compiled = [one for one in before.values() if one.get("status") == "compiled" and one.get("preferences")]
    paces = [one["seconds"] / one["preferences"] for one in compiled]
    return median(paces) if len(paces) >= ENOUGH else None
