"""Whose advice something that is avoided has a say in.

"What shall I cook tonight?" names no allergy, and is where an allergy counts. Which attributes these are is
told by the thing itself: peanuts have a say in the kitchen, cat hair has none.
"""

from __future__ import annotations

from monogram.clusters.grammar import FOOD, grammar
from monogram.clusters.table import table
from monogram.preferences import Preference

MEALS = ("food preference", "cuisine", "cooking")
"""Attributes whose advice is about meals."""


def concerns(preference: Preference) -> tuple[str, ...]:
    """Names of the table's attributes whose advice a preference decides beside its own; only what is avoided
    has any.
    """
    if preference.polarity != "avoids":
        return ()
    thing = grammar().tell(preference.target, ("like",), anywhere=True)
    own = table().find(preference.attribute)
    names = MEALS if thing in FOOD else (thing,)
    return tuple(name for name in names if name and (own is None or name != own.name))
