"""`cost`: what preferences cost at every request.

Bytes, prompt tokens and time to the first token as preferences grow, tokens per second with more and more
people in a batch. An edit's arithmetic is counted and held against what this machine does at best, with
`--model random:llama-1b` and the like against size, too. Editors that have a value step of their own are also
held against each other, turn and turn about, where two of them are asked for. Larger people are generated: so
many copies. What it takes to take one in, seconds and extra memory, every run tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from monogram.bench import value_steps
from monogram.bench.arithmetic import Best, Counted
from monogram.bench.asks import Ask, Case, Plan
from monogram.bench.facts import Fact, State, fact
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice
from monogram.bench.meter import QUESTION, first_token, grown, throughput
from monogram.bench.methods import Edited, Method, Prepared
from monogram.bench.passes import ready
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Progress, Task, chosen
from monogram.delta import Delta
from monogram.errors import MonogramError
from monogram.models.editable import EditableModel

PREFERENCES = 10
"""How many are taken in, at most."""
GROWTH = (1, 5, 10, 20, 50)
BATCH = (1, 4, 16)


class Cost(Task):
    """Times, bytes and tokens."""

    name = "cost"
    help = "What do preferences cost at every request?"
    headings: ClassVar[Mapping[str, str]] = {
        **{f"bytes_{n}": f"bytes of a person with {n} ↓" for n in GROWTH},
        **{f"prompt_tokens_{n}": f"prompt tokens with {n} ↓" for n in GROWTH},
        **{f"first_token_{n}": f"seconds to the first token with {n} ↓" for n in GROWTH},
        **{f"tokens_per_second_{n}": f"tokens per second, {n} in a batch" for n in BATCH},
        "operations": "operations of a preference, 10⁹ ↓",
        "moved": "GB that they read and write, at least ↓",
        "floor_seconds": "seconds they take at the machine's best rates ↓",
        "times_floor": "a preference's seconds, times that ↓",
        "value_seconds": "seconds of the value step ↓",
        "ratio": "times the first editor's",
        "steps": "steps",
        "loss": "loss at the end",
        "residual_difference": "residual differs by, at most",
        "residual_relative": "the same, of its length",
        "loss_difference": "losses differ by, at most",
    }

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        noted = (Ask("state", how="digest"),)
        items = chosen(sources, choice)[:PREFERENCES]
        return Plan(tuple(Case(item.id, State((fact(item),)), noted) for item in items))

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """Medians over what was timed; one measurement has no interval."""
        found: dict[str, Figure] = {}
        for row in rows:
            for metric, value in row.get("measured", {}).items():
                found[metric] = Figure(value, None, None, 1)
        steps = [row for row in rows if row["kind"] == value_steps.KIND]
        return found | (value_steps.figures(steps, seed) if steps else {})

    def apart(
        self,
        model: EditableModel,
        methods: Sequence[Method],
        sources: Sources,
        choice: Choice,
        progress: Progress,
    ) -> list[dict[str, Any]]:
        known = [fact(item) for item in chosen(sources, choice)[:PREFERENCES]]
        rows: list[dict[str, Any]] = []
        best = Best.of(model)
        for place, method in enumerate(methods):
            progress("timing methods", place, len(methods))
            rows += _measured(model, method, known[0], best)
        return rows + _value_steps(model, methods, known, progress)


def _measured(model: EditableModel, method: Method, known: Fact, best: Best) -> Iterator[dict[str, Any]]:
    """A method's rows: its arithmetic, one for each size of person, one for each size of batch."""
    row = {"method": method.name, "item": known.id, "kind": "size"}
    try:
        prepared = method.prepare([known])
    except MonogramError as error:
        yield {**row, "variant": "", "why": str(error)}
        return
    if isinstance(method, Edited):
        yield {
            **row,
            "kind": "arithmetic",
            "variant": "",
            "measured": _arithmetic(method, known, prepared, best),
        }
    for count in GROWTH:
        sized = _sized(method, prepared, known, count)
        measured: dict[str, float] = {
            f"bytes_{count}": 0 if sized.delta is None else sized.delta.nbytes,
            f"prompt_tokens_{count}": ready(model, [(sized, QUESTION)])[0].extra_tokens,
        }
        try:
            measured[f"first_token_{count}"] = first_token(model, sized)
        except MonogramError as error:
            yield {**row, "variant": f"{count} timed", "why": str(error)}
        yield {**row, "variant": str(count), "measured": measured}
    for people in BATCH:
        speed = {f"tokens_per_second_{people}": throughput(model, prepared, people)}
        yield {**row, "kind": "batch", "variant": str(people), "measured": speed}


def _arithmetic(method: Edited, known: Fact, prepared: Prepared, best: Best) -> dict[str, float]:
    """What an edit computes, once more, and how far the time it took is from the machine's best."""
    with Counted() as counted:
        method.prepare([known])
    least = best.seconds(counted)
    found = {"operations": counted.operations / 1e9, "moved": counted.moved / 1e9, "floor_seconds": least}
    return found | {"times_floor": prepared.seconds / least}


def _sized(method: Method, prepared: Prepared, known: Fact, count: int) -> Prepared:
    """What the method makes of so many preferences; of a delta, as many copies."""
    if isinstance(prepared.delta, Delta):
        return replace(prepared, delta=grown(prepared.delta, count))
    said = known.preference
    many = [Fact(f"{known.id}:{n}", replace(said, attribute=f"{said.attribute} {n}")) for n in range(count)]
    return method.prepare(many)


def _value_steps(
    model: EditableModel, methods: Sequence[Method], known: Sequence[Fact], progress: Progress
) -> list[dict[str, Any]]:
    """Records of the value steps, where two editors have one."""
    edited = [m for m in methods if isinstance(m, Edited) and hasattr(m.editor, "value_step")]
    if len(edited) < 2:
        return []
    clusters = [cluster for one in known for cluster in edited[0].clusters([one])]
    editors = [cast(value_steps.Steps, method.editor) for method in edited]
    return value_steps.value_steps(model, editors, clusters, progress=progress)


task = Cost()
