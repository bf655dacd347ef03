"""Methods without an editor behind them, and orders that are quick to run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monogram.bench.facts import Fact
from monogram.bench.items import Choice
from monogram.bench.methods import Method, Prepared, Prompted
from monogram.bench.protocol import Protocol
from monogram.bench.runner import Make, Order
from monogram.bench.session import Settings
from monogram.bench.sources import Sources
from monogram.bench.tasks.registry import tasks
from monogram.delta import Delta
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.prompting.registry import baseline
from tests.bench.records import written
from tests.models.test_attach import delta_for

SETTINGS = Settings(Protocol(longest=3), batch_size=8, chunk=2)


class Killed(BaseException):
    """As if the process had ended here."""


def unchanged(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [dict(message) for message in messages]


def among(chats: Sequence[Sequence[Message]]) -> list[float]:
    """Gates that hang on all that is read together, as last bits do."""
    return [place + len(chats) / 1000 for place in range(len(chats))]


@dataclass
class Shift:
    """An editor's stand-in: a delta per preference, a pure function of it and the seed; a person has their
    sum.
    """

    model: EditableModel
    name: str = "shift"
    seed: int = 0
    prepared: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"kind": "test", "seed": self.seed}

    def prepare(self, facts: Sequence[Fact], *, again: bool = False) -> Prepared:
        self.prepared.append(tuple(fact.id for fact in facts))
        if not facts:
            return Prepared(None, unchanged, 0.0)
        total = Delta.zero()
        for fact in sorted(facts, key=lambda fact: fact.preference.digest):
            total = total + delta_for(self.model, int(fact.preference.digest[:6], 16) + self.seed)
        return Prepared(total, unchanged, 0.5, {"dropped": 2}, gates=among)


@dataclass
class Answering:
    """A method that answers by itself: (what it was told, question) -> answer. The model is left alone."""

    name: str
    answer: Callable[[Fact, str], str]

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"kind": "test"}

    def prepare(self, facts: Sequence[Fact], *, again: bool = False) -> Prepared:
        if not facts:
            return Prepared(None, unchanged, 0.0)
        return Prepared(
            None, unchanged, 0.0, respond=lambda chat: self.answer(facts[-1], chat[-1]["content"])
        )


def prompted(name: str) -> Prompted:
    return Prompted(baseline(name))


def always(*methods: Method) -> Make:
    """Just these, whatever the model."""
    return lambda model, asked, seed: methods


def order(folder: Path, *names: str, limit: int | None = 2, data: Sequence[Path] = (), **more: Any) -> Order:
    """Tasks over the five records of `records`, or over other data."""
    given = Sources(list(data) or [written(folder)])
    return Order(tasks(names), given, Choice(limit), **({"settings": SETTINGS} | more))
