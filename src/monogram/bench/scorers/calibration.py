"""From scores and labels to a threshold: the ROC, its area, and the pairs that `similar` was set by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from monogram.bench.scorers.case import Case
from monogram.clusters.table import table
from monogram.errors import InputError


@dataclass(frozen=True)
class Point:
    """One threshold: a score from it on counts as yes."""

    threshold: float
    hits: float
    """Share of the true ones that are called so."""
    false_alarms: float
    """Share of the false ones that are called true."""
    agreement: float
    """Share of all that are called what they are."""


def roc(scores: Sequence[float], labels: Sequence[bool]) -> list[Point]:
    """A point for each score, highest first.

    Raises:
        InputError: unlike numbers of them, or labels of one kind only.
    """
    true = sum(labels)
    false = len(labels) - true
    if len(scores) != len(labels) or not true or not false:
        raise InputError(
            f"A threshold needs a label for each score, and both kinds: here are {len(scores)} scores, "
            f"{true} labels that are true and {false} that are not."
        )
    points = []
    for threshold in sorted(set(scores), reverse=True):
        called = [label for score, label in zip(scores, labels, strict=True) if score >= threshold]
        hits, alarms = sum(called), len(called) - sum(called)
        agreement = (hits + false - alarms) / len(labels)
        points.append(Point(threshold, hits / true, alarms / false, agreement))
    return points


def area(points: Sequence[Point]) -> float:
    """The area under the curve: how often a true one scores above a false one, ties as half."""
    total, hits, alarms = 0.0, 0.0, 0.0
    for point in points:
        total += (point.false_alarms - alarms) * (point.hits + hits) / 2
        hits, alarms = point.hits, point.false_alarms
    return total


def best(points: Sequence[Point]) -> Point:
    """The point where most are called what they are; the highest threshold of several."""
    return max(points, key=lambda point: point.agreement)


def pairs() -> tuple[list[Case], list[bool]]:
    """The labelled answers that the threshold of `similar` was set by, and their labels (pairs.jsonl)."""
    text = resources.files("monogram.bench.scorers").joinpath("pairs.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    labels = [bool(record.pop("label")) for record in records]
    return [Case(question="", polarity=polarity_of(one["attribute"]), **one) for one in records], labels


def polarity_of(attribute: str) -> str:
    """What the attribute table says of an attribute; `likes` where it does not know it."""
    known = table().find(attribute)
    return known.polarity if known is not None else "likes"
