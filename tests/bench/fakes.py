"""Methods without an editor behind them, and a task that is quick to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monogram.bench.items import Item
from monogram.bench.methods import Prepared, Prompted, preferences
from monogram.bench.questions import Upqa
from monogram.models.editable import EditableModel
from monogram.prompting.registry import baseline
from tests.bench.records import loaded, same
from tests.models.test_attach import delta_for

DRIFT = ("Why is the sky blue?", "Name a river.", "2 + 2?")


class Killed(BaseException):
    """As if the process had ended here."""


@dataclass
class Shift:
    """An editor's stand-in: a random delta per item."""

    model: EditableModel
    name: str = "shift"
    seed: int = 0
    prepared: list[int] = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"seed": self.seed}

    def prepare(self, item: Item) -> Prepared:
        self.prepared.append(item.index)
        delta = delta_for(self.model, item.index + self.seed)
        return Prepared(delta, lambda messages: [dict(m) for m in messages], 0.5, {"dropped": 2})


def prompted(name: str) -> Prompted:
    return Prompted(baseline(name), preferences())


def task(folder: Path, limit: int | None = 2) -> Upqa:
    """Two items, four crosstalk questions each at most, three drift prompts."""
    file = loaded(folder)
    made = Upqa(file, file.select(limit=limit), crosstalk=1, same=same)
    made.__dict__["drift_prompts"] = DRIFT
    return made
