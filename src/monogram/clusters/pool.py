"""What everybody's clusters are held against: other attributes' phrasings, and unrelated prompts.

The pool is the same for all preferences, so a model reads it once. A cluster takes from it what is not its
own: asks for other attributes always, roundabout questions and recommendations only of attributes that are
not near. Plain asks and some unrelated prompts stand in it as one types them in a hurry, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from monogram.clusters.cluster import KINDS, Cluster, Kind, Phrasing, bare, typed
from monogram.clusters.concerns import concerns
from monogram.clusters.corpus import exams, histories, systems, unrelated
from monogram.clusters.table import Attribute, table

TAKEN: dict[Kind, int] = {"ask": 5, "roundabout": 4, "recommend": 3}
"""How many phrasings of each kind every attribute gives to the pool."""


@dataclass(frozen=True)
class Entry:
    """A phrasing of the pool: whose it is (an attribute's name; "" for nobody's), and of which kind."""

    owner: str
    kind: Kind
    phrasing: Phrasing


@cache
def pool() -> tuple[Entry, ...]:
    """The whole pool, in a fixed order: the table's attributes, exams' questions, unrelated prompts."""
    return (*_from_table(), *_exams(), *_unrelated())


def contrast_of(cluster: Cluster) -> tuple[list[int], list[int], list[int]]:
    """Places in the pool that must not fire for this cluster: (plain asks, other phrasings, unrelated)."""
    own, says = table().find(cluster.preference.attribute), concerns(cluster.preference)
    asks: list[int] = []
    others: list[int] = []
    nobodys: list[int] = []
    for place, entry in enumerate(pool()):
        if not entry.owner:
            nobodys.append(place)
        elif not _related(own, says, entry) and cluster.allows(entry.phrasing.text):
            (asks if entry.kind == "contrast" else others).append(place)
    return asks, others, nobodys


def apart(cluster: Cluster, other: Cluster) -> tuple[list[int], list[int]]:
    """Which of another preference's training phrasings must not fire for this one, where both are a person's:
    places of (asks, other phrasings). Those it shares may, and of near attributes whatever is no ask.
    """
    own = {bare(phrasing.text) for phrasing in cluster.train}
    mine, yours = (table().find(c.preference.attribute) for c in (cluster, other))
    near = yours is not None and (
        (mine is not None and _near(mine, yours)) or yours.name in concerns(cluster.preference)
    )
    asks: list[int] = []
    rest: list[int] = []
    for place, phrasing in enumerate(other.train):
        if bare(phrasing.text) not in own and not (near and phrasing.kind != "ask"):
            (asks if phrasing.kind == "ask" else rest).append(place)
    return asks, rest


def _related(own: Attribute | None, concerned: Sequence[str], entry: Entry) -> bool:
    """Whether the entry may be of the cluster's own intent."""
    if own is not None and entry.owner == own.name:
        return True
    near = own is not None and _near(own, table().attributes[entry.owner])
    return entry.kind in ("roundabout", "recommend") and (near or entry.owner in concerned)


def _near(one: Attribute, other: Attribute) -> bool:
    return one.name == other.name or one.name in other.near or other.name in one.near


def _from_table() -> Iterator[Entry]:
    for attribute in table():
        ask = f"What's my {attribute.name}?"
        for text in (ask, typed(ask)):
            yield Entry(attribute.name, "contrast", Phrasing(text, "contrast"))
        lists = {"ask": attribute.ask, "roundabout": attribute.roundabout, "recommend": attribute.recommend}
        for kind in KINDS:
            texts = lists[kind][:-2]
            step = len(texts) / TAKEN[kind]
            for i in range(TAKEN[kind]):
                yield Entry(attribute.name, kind, Phrasing(texts[int(i * step)], "contrast"))


def _exams() -> Iterator[Entry]:
    for text in exams():
        yield Entry("", "contrast", Phrasing(text, "contrast"))


def _unrelated() -> Iterator[Entry]:
    asides, earlier = systems(), histories()
    for i, text in enumerate(unrelated()):
        yield Entry("", "contrast", Phrasing(text, "contrast"))
        if i % 4 == 2 and (hasty := typed(text)) != text:
            yield Entry("", "contrast", Phrasing(hasty, "contrast"))
        if i % 8 == 0:
            yield Entry("", "contrast", Phrasing(text, "contrast", system=asides[i // 8 % len(asides)]))
        elif i % 8 == 4:
            yield Entry("", "contrast", Phrasing(text, "contrast", history=earlier[i // 8 % len(earlier)]))
