"""What a task is: it plans asks from records, marks the row of each, and makes figures of the marks.

    class Mine(Task):
        name, help = "mine", "What it asks, as a question."
        headings = {"good": "good", "bad": "bad ↓"}

        def plan(self, sources, choice): ...       # what is asked, in which states
        def marks(self, row): ...                  # {"good": True}: from one row, and nothing else

Registered as an entry point of the group `monogram.tasks` that leads to an instance; the built-in ones are,
too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from monogram.bench import intervals
from monogram.bench.asks import Ask, Case, Plan
from monogram.bench.facts import State, fact
from monogram.bench.intervals import Figure
from monogram.bench.items import Choice, Item
from monogram.bench.methods import Method
from monogram.bench.raw import Record
from monogram.bench.sources import Sources
from monogram.models.editable import EditableModel

Mark = bool | float | None
"""Of a row: a bool counts into a rate, a number into a mean, None into nothing."""
Progress = Callable[[str, int, int], None]


class Task:
    """A task; see the module.

    Attributes:
        name: as it is asked for.
        help: what it asks, in a line.
        headings: metric -> its row in tables; ↓ where lower is better. Metrics without one are in the summary
            alone.
        includes: tasks that come along when it is asked for.
        gated: kinds of answers whose rows say how far the edit fires where they start (`gate`), where a
            method can tell.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    headings: ClassVar[Mapping[str, str]] = {}
    includes: ClassVar[tuple[str, ...]] = ()
    gated: ClassVar[tuple[str, ...]] = ()

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        """What is asked of which records.

        Raises:
            InputError: a record that cannot be used.
        """
        raise NotImplementedError

    def marks(self, row: Record) -> dict[str, Mark]:
        """What one row is marked for; a metric that it says nothing about is left out, or None."""
        del row
        return {}

    def figures(self, rows: Sequence[Record], seed: int) -> dict[str, Figure]:
        """Metric -> figure, of one method's rows (each with its marks as `scores`)."""
        return averages(rows, seed)

    def heading(self, metric: str) -> str | None:
        """What the row of a metric is called in tables; None: it has none."""
        return self.headings.get(metric)

    def apart(
        self,
        model: EditableModel,
        methods: Sequence[Method],
        sources: Sources,
        choice: Choice,
        progress: Progress,
    ) -> list[dict[str, Any]]:
        """Rows that are measured when all asks are done, all methods together; none by default.

        Each needs method, item, kind, variant. They are kept whole or not at all.
        """
        del model, methods, sources, choice, progress
        return []


def averages(rows: Iterable[Record], seed: int) -> dict[str, Figure]:
    """The rate or mean of each mark."""
    told: dict[str, list[Mark]] = {}
    for row in rows:
        for metric, mark in row["scores"].items():
            told.setdefault(metric, []).append(mark)
    return {metric: _average(marks, seed) for metric, marks in told.items()}


def _average(marks: Sequence[Mark], seed: int) -> Figure:
    counted = [mark for mark in marks if mark is not None]
    if all(isinstance(mark, bool) for mark in counted):
        return intervals.rate(sum(map(bool, counted)), len(counted))
    return intervals.mean([float(mark) for mark in counted], seed)


def over_items(sources: Sources, choice: Choice, asks: Callable[[Item], tuple[Ask, ...]]) -> Plan:
    """The chosen items, each a person with that one preference; the whole file's questions may not train."""
    file = sources.items
    cases = tuple(Case(item.id, State((fact(item),)), asks(item)) for item in chosen(sources, choice))
    return Plan(cases, tuple(ask.question for item in file.items for ask in asks(item)))


def chosen(sources: Sources, choice: Choice) -> tuple[Item, ...]:
    """The chosen records of the file in UPQA's format."""
    return sources.items.select(choice)


def gold(item: Item) -> dict[str, Any]:
    """What answers about an item are held against."""
    told: dict[str, Any] = {"attribute": item.attribute, "target": item.target}
    if item.polarity:
        told["polarity"] = item.polarity
    return told | ({"variants": list(item.variants)} if item.variants else {})
