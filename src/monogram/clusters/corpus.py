"""The project's own texts: unrelated prompts, system prompts, earlier turns. Written for it, in `corpus/`."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

Turns = tuple[tuple[str, str], ...]


def unrelated() -> tuple[str, ...]:
    """Unrelated user prompts that train as "must not change"."""
    return _lines("prompts.txt")


def exams() -> tuple[str, ...]:
    """Questions as exams put them (true or false, choices, one word): they train as "must not change"."""
    return _lines("exams.txt")


def unrelated_probes() -> tuple[str, ...]:
    """Unrelated user prompts that never train: receipts measure drift on them."""
    return _lines("probes.txt")


def systems() -> tuple[str, ...]:
    """System prompts of many tempers."""
    return _lines("systems.txt")


def unseen_systems() -> tuple[str, ...]:
    """System prompts that never train: the benchmark measures drift under them."""
    return _lines("unseen_systems.txt")


def histories() -> tuple[Turns, ...]:
    """Earlier turns on other matters, (role, content)."""
    return tuple(
        tuple((t["role"], t["content"]) for t in json.loads(line)) for line in _lines("histories.jsonl")
    )


@cache
def _lines(name: str) -> tuple[str, ...]:
    text = (files("monogram") / "corpus" / name).read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())
