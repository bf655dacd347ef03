"""The prompting baselines by name, in the order of a report."""

from __future__ import annotations

from collections.abc import Callable

from monogram.errors import unknown
from monogram.prompting.base import Prompting
from monogram.prompting.baselines import NoPrompt, Reminder, SystemPrompt
from monogram.prompting.examples import InContext
from monogram.prompting.passes import ChainOfThought, SelfCritic
from monogram.prompting.retrieval import Retrieval

_BASELINES: tuple[Callable[[], Prompting], ...] = (
    NoPrompt,
    SystemPrompt,
    Reminder,
    InContext,
    ChainOfThought,
    SelfCritic,
    Retrieval,
)


def baselines() -> dict[str, Prompting]:
    """Every baseline by its name."""
    made = [baseline() for baseline in _BASELINES]
    return {baseline.name: baseline for baseline in made}


def baseline(name: str) -> Prompting:
    """One baseline.

    Raises:
        UnknownNameError: there is none of that name.
    """
    known = baselines()
    if name not in known:
        raise unknown("prompting baseline", name, known)
    return known[name]
