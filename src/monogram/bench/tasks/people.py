"""People with many preferences, for the tasks that ask what many cost: the data's own, or one made up of its
items.
"""

from __future__ import annotations

from collections.abc import Iterable

from monogram.bench.items import Item, ItemFile
from monogram.bench.probes import Same

SIZES = (1, 5, 10, 20, 50)
"""How many preferences a person is given, one after the other."""


def people(file: ItemFile, same: Same) -> dict[str, tuple[Item, ...]]:
    """Person -> their items, one value per attribute, no two attributes that mean the same; who has most
    first.

    A file that knows no people is one person, `somebody`.
    """
    whose: dict[str, list[Item]] = {}
    for item in file.items:
        whose.setdefault(item.person or "somebody", []).append(item)
    found = {person: _distinct(items, same) for person, items in whose.items()}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def _distinct(items: Iterable[Item], same: Same) -> tuple[Item, ...]:
    chosen: list[Item] = []
    for item in items:
        if not any(same(item.attribute, other.attribute) for other in chosen):
            chosen.append(item)
    return tuple(chosen)
