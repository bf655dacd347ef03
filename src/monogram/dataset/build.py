"""Building a data set: what is to be asked and what that costs, asking, and the files that come of it.

Every answer goes into a journal beside the output before it counts. The output is made from the journal, in
the statements' order; so a run that was killed and goes on makes the same file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monogram.crew import Progress, together
from monogram.dataset.record import Record, UnusableError, record
from monogram.dataset.statements import Statements
from monogram.dataset.wording import form, task
from monogram.endpoint import Line, Spent
from monogram.errors import AnswerError
from monogram.files import write_text
from monogram.journal import Journal
from monogram.words import normal

CHARACTERS = 4
"""About so many to a token, in English."""
ANSWER, SYNONYM = 160, 45
"""About so many tokens in an answer, and in each synonym."""
UNUSABLE, BAD, DOUBLE, UNREADABLE = "unusable", "bad answers", "double", "unreadable"
"""Kinds of refusals: by the model, of the model's answers, of what is there already, of the statement."""


@dataclass(frozen=True)
class Refused:
    """A statement that became no item."""

    statement: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What is to be asked.

    Attributes:
        model: who is asked.
        clusters: how many synonyms an item gets; 0 for an item with one wording.
        statements: all that the output is made from.
        jobs: key -> statement, of what is not in the journal yet.
    """

    model: str
    clusters: int
    statements: tuple[str, ...]
    jobs: Mapping[str, str]

    @property
    def tokens(self) -> tuple[int, int]:
        """About how many tokens go in and come out, if every answer is good at once."""
        each = len(json.dumps([task(self.clusters), form(self.clusters).schema])) // CHARACTERS
        said = sum(len(statement) for statement in self.jobs.values()) // CHARACTERS
        return len(self.jobs) * each + said, len(self.jobs) * (ANSWER + SYNONYM * self.clusters)

    def key(self, statement: str) -> str:
        """What an answer hangs on: model, task, form, statement."""
        told = [self.model, task(self.clusters), form(self.clusters).schema, statement]
        return hashlib.sha256(json.dumps(told).encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Built:
    """What came of it.

    Attributes:
        items: the records of the output.
        refused: the statements that became none, for good.
        failed: (statement, reason) of those that could not be asked; the next run asks them.
        spent: what this run has cost.
    """

    items: tuple[Record, ...]
    refused: tuple[Refused, ...]
    failed: tuple[tuple[str, str], ...] = ()
    spent: Spent = field(default_factory=Spent)

    @property
    def kinds(self) -> dict[str, int]:
        """How many were refused, by kind."""
        return dict(Counter(one.kind for one in self.refused))


def plan(
    statements: Sequence[str], journal: Journal, *, model: str, clusters: int = 0, again: bool = False
) -> Plan:
    """What is still to be asked.

    Args:
        journal: open; what it holds is not asked again.
        again: ask again, all the same, where the answers could not be used.
    """
    whole = Plan(model, clusters, tuple(statements), {})
    jobs = {}
    for statement in statements:
        key = whole.key(statement)
        known = journal.records.get(key)
        if known is None or (again and known.get("kind") == BAD):
            jobs[key] = statement
    return Plan(model, clusters, whole.statements, jobs)


def build(
    todo: Plan,
    given: Statements,
    line: Line,
    journal: Journal,
    *,
    at_once: int = 4,
    progress: Progress | None = None,
) -> Built:
    """Ask what is to be asked, and put together what the journal holds then.

    Raises:
        EndpointError: nothing more can be asked; what was answered is kept.
    """

    def ask(key: str, statement: str) -> None:
        journal.add(
            key, {"statement": statement, "model": todo.model, **_asked(line, statement, todo.clusters)}
        )

    failed = together(ask, todo.jobs, at_once=at_once, progress=progress, what="asking")
    spent = Spent()
    for key in todo.jobs.keys() - failed.keys():
        spent.add(Spent(*journal.records[key]["spent"]))
    items, refused = _sorted_out(todo, journal)
    unreadable = tuple(Refused(statement, UNREADABLE, reason) for statement, reason in given.refused)
    lost = tuple((todo.jobs[key], str(failed[key])) for key in todo.jobs if key in failed)
    return Built(tuple(items), (*refused, *unreadable), lost, spent)


def write(built: Built, out: Path) -> Path:
    """Write the items, where there are any, and beside them what was refused; each file whole or not at all.

    Returns:
        The path of what was refused.
    """
    beside = out.with_name(f"{out.name}.refused.jsonl")
    lines = [vars(one) for one in built.refused]
    if built.items:
        write_text(out, json.dumps(built.items, ensure_ascii=False, indent=2) + "\n")
    write_text(beside, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines))
    return beside


def _asked(line: Line, statement: str, clusters: int) -> dict[str, Any]:
    """What the journal keeps of a statement: a record, or why there is none; and what it cost."""
    messages = [
        {"role": "system", "content": task(clusters)},
        {"role": "user", "content": json.dumps({"statement": statement}, ensure_ascii=False)},
    ]
    spent = Spent()

    def known() -> dict[str, Any]:
        try:
            said = line.settle(
                messages, form(clusters), lambda text: record(text, statement, clusters), spent
            )
        except UnusableError as error:
            return {"kind": UNUSABLE, "reason": str(error)}
        except AnswerError as error:
            return {"kind": BAD, "reason": str(error)}
        return {"record": said}

    return {**known(), "spent": [spent.calls, spent.prompt_tokens, spent.completion_tokens]}


def _sorted_out(todo: Plan, journal: Journal) -> tuple[list[Record], list[Refused]]:
    """The items and the refusals, in the statements' order. Of two items that are one, the first stays."""
    items: list[Record] = []
    refused: list[Refused] = []
    seen: dict[tuple[str, str], str] = {}
    for statement, known in _known(todo, journal):
        if "record" not in known:
            refused.append(Refused(statement, known["kind"], known["reason"]))
            continue
        one = known["record"]
        what = (_original(one["attribute_type"]), _original(one["target"]))
        if what in seen:
            reason = f"The same attribute and target as of {seen[what]!r}."
            refused.append(Refused(statement, DOUBLE, reason))
            continue
        seen[what] = statement
        items.append(one)
    return items, refused


def _known(todo: Plan, journal: Journal) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for statement in todo.statements:
        known = journal.records.get(todo.key(statement))
        if known is not None:
            yield statement, known


def _original(value: str | Sequence[str]) -> str:
    return normal(value if isinstance(value, str) else value[-1])
