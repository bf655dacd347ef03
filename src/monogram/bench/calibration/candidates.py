"""Settings that might suit a model, and what they are tried on.

Only the project's own calibration split is asked, and unrelated prompts that no benchmark asks: what is
chosen must not have seen what it will be measured by.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from monogram.bench.asks import Ask, Case, Plan, said
from monogram.bench.facts import State, fact
from monogram.bench.items import Choice
from monogram.bench.runner import Order
from monogram.bench.session import Settings
from monogram.bench.sources import Sources
from monogram.bench.tasks import crosstalk, leak, upqa
from monogram.bench.tasks.base import chosen
from monogram.bench.tasks.drift import Drift
from monogram.clusters.corpus import unrelated_probes
from monogram.editors.base import Detects, chosen_layer
from monogram.editors.registry import editor
from monogram.editors.settings import value_of
from monogram.models.editable import EditableModel

SPLIT = "calibration"
DEPTHS = (0.4, 0.48, 0.56, 0.63, 0.71, 0.79, 0.87, 0.95)
"""Where layers are tried, as fractions of the depth; and the default one."""
THRESHOLDS = (-0.15, 0.0, 0.15)
"""Added to the default one: below 0 fires less."""
DRIFT = 0.1
"""Mean KL at unrelated prompts, nats, that what is chosen may have; or as much as what it takes the place of.
The headline counts whether the first word stays, and would pay for recall with everything else.
"""
SURE = 0.95
"""Share of the paired bootstrap's draws in which a candidate's headline must be better than that of what is
held: less is chance.
"""


@dataclass(frozen=True)
class Candidate:
    """Settings that are tried; all others are the editor's defaults."""

    given: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def at(cls, layer: int, threshold: float) -> Candidate:
        """A layer and a threshold."""
        return cls((("layer", layer), ("threshold", threshold)))

    @property
    def settings(self) -> dict[str, Any]:
        """As an editor takes them."""
        return dict(self.given)

    def but(self, setting: str, value: Any) -> Candidate:
        """The same with another value of one setting."""
        return Candidate(tuple({**self.settings, setting: value}.items()))

    def called(self, name: str) -> str:
        """What reports call an editor with them."""
        return " ".join([name, *(f"{setting} {shown(value)}" for setting, value in self.given)])


def shown(value: Any) -> str:
    """A setting's value in a few letters."""
    if isinstance(value, tuple | list):
        return "+".join(map(shown, value))
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def default(model: EditableModel, name: str) -> Candidate:
    """An editor's own defaults on a model: its layer and threshold where it detects, nothing else said."""
    made = editor(name)
    if not isinstance(made, Detects):
        return Candidate()
    return Candidate.at(chosen_layer(model, made.config.layer), made.config.threshold)


def candidates(model: EditableModel, name: str) -> list[Candidate]:
    """All whose gates are tried, in order; the defaults are among them."""
    usual = default(model, name).settings
    layers = {usual["layer"], *(chosen_layer(model, depth) for depth in DEPTHS)}
    return [
        Candidate.at(layer, round(usual["threshold"] + more, 4))
        for layer, more in product(sorted(layers), THRESHOLDS)
    ]


def others(name: str, best: Candidate, setting: str, values: Iterable[Any]) -> list[Candidate]:
    """The best so far with each other value of a setting (of the editor's `trials`)."""
    now = value_of(editor(name, **best.settings).config, setting)
    return [best.but(setting, value) for value in values if value != now]


class Still(Drift):
    """Drift on the prompts of receipts, next tokens alone: the benchmark's prompts choose nothing."""

    def plan(self, sources: Sources, choice: Choice) -> Plan:
        asks = (Ask("next", how="next", chats=tuple(said(text) for text in unrelated_probes())),)
        cases = tuple(Case(item.id, State((fact(item),)), asks) for item in chosen(sources, choice))
        return Plan(cases, unrelated_probes(), settings={"drift_prompts": len(unrelated_probes())})


def order(items: int, command: str = "", settings: Settings | None = None) -> Order:
    """What is asked of the first `items` of the calibration split, one of each person in turn."""
    tasks = (upqa.task, leak.task, crosstalk.task, Still())
    sources = Sources((), SPLIT)
    return Order(tasks, sources, Choice(items), settings=settings or Settings(), command=command)
