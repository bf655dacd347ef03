"""What methods take in: preferences, with a data set's own lists of synonyms where it has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from monogram.bench.items import Item
from monogram.clusters.table import table
from monogram.preferences import Preference


@dataclass(frozen=True)
class Fact:
    """One preference, under the name that rows give it."""

    id: str
    preference: Preference
    attributes: tuple[str, ...] = ()
    """The data set's synonyms of the attribute; empty where it has none. So are the next two."""
    questions: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    exactly: Literal["", "same", "different"] = ""
    """Whether every editor trains on just these questions, with the preference's target or each its own;
    empty: on the project's own cluster, unless the editor is set to edit by synonyms."""


@dataclass(frozen=True)
class State:
    """A person as a method has to know them: the preferences that are in.

    Two tasks that need the same state share what a method makes of it.
    """

    facts: tuple[Fact, ...]
    again: bool = False
    """Whether it is come back to, after other states: it is compiled again as the product does it, from what
    was kept where the editor keeps something; and may be held against the first."""

    @cached_property
    def id(self) -> str:
        """What rows call it: the facts' names, and a digest of what they say."""
        names = [fact.id for fact in self.facts]
        known = "+".join(names) if len(names) <= 3 else f"{names[0]}+{len(names) - 1} more"
        said = "\n".join(fact.preference.digest for fact in self.facts)
        digest = hashlib.sha256(said.encode()).hexdigest()[:8]
        return f"{known or 'nobody'} {digest}{' again' if self.again else ''}"


def fact(item: Item, target: str | None = None) -> Fact:
    """An item's preference.

    Its polarity is the file's, or the one that the table gives its attribute (`likes` where it has none).

    Args:
        item: the record.
        target: another one than the item's own; the item's statement and synonyms don't speak of it then.
    """
    known = None if item.polarity else table().find(item.attribute)
    polarity = item.polarity or (known.polarity if known is not None else "likes")
    if target is not None:
        said = Preference.checked(item.attribute, target, "", polarity)
        return Fact(f"{item.id}>{target}", said, item.attributes, item.questions)
    said = Preference.checked(item.attribute, item.target, item.statement, polarity)
    return Fact(item.id, said, item.attributes, item.questions, item.targets)


def facts(items: Iterable[Item]) -> tuple[Fact, ...]:
    """The preferences of several items."""
    return tuple(fact(item) for item in items)
