"""A person's preferences side by side: which mean the same, which one replaces which, which one is meant.

Two attributes are the same when the table says so (`job`, `profession`), else when they read the same. Plain
data: knows no model.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from monogram.clusters.table import Table
from monogram.errors import InputError, unknown
from monogram.preferences import Preference


def from_words(
    attributes: Table,
    attribute: str | None,
    target: str | None,
    *,
    sentence: str | None = None,
    polarity: str | None = None,
) -> Preference:
    """A checked preference from what somebody gave; its polarity is by default the attribute's usual one.

    Raises:
        InputError: no attribute or no target, or text that cannot be kept.
        UnknownNameError: no such polarity.
    """
    if attribute is None or target is None:
        lacking = "No target was given" if target is None else "No attribute was given"
        if sentence is not None:
            lacking = "Reading a preference out of a sentence is not built yet"
        raise InputError(
            f"{lacking}. Give attribute= and target= (--attribute and --target on the command line), "
            "say attribute 'hobby' and target 'Hiking'."
        )
    found = attributes.find(attribute) if isinstance(attribute, str) else None
    usual = found.polarity if found is not None else "likes"
    return Preference.checked(attribute, target, sentence or "", polarity or usual)


def meaning(attributes: Table, attribute: str) -> str:
    """What an attribute stands for: its name in the table, or itself without regard to case."""
    found = attributes.find(attribute)
    return (found.name if found is not None else attribute).casefold()


def changes(
    attributes: Table, held: Sequence[Preference], new: Iterable[Preference]
) -> tuple[list[tuple[Literal["added", "replaced"], Preference]], tuple[Preference, ...]]:
    """What happens when `new` preferences come to those that are `held`, one after the other.

    Returns:
        What is replaced and added, in order (nothing for what is held already), and the set that is left.
    """
    left = {p.digest: p for p in held}
    steps: list[tuple[Literal["added", "replaced"], Preference]] = []
    for preference in new:
        if preference.digest in left:
            continue
        own = meaning(attributes, preference.attribute)
        same = [p for p in left.values() if meaning(attributes, p.attribute) == own]
        steps += [("replaced", left.pop(old.digest)) for old in same]
        steps.append(("added", preference))
        left[preference.digest] = preference
    return steps, tuple(left.values())


def meant(
    attributes: Table, user: str, held: Sequence[Preference], attribute_or_target: str
) -> tuple[Preference, ...]:
    """The preferences among those held that are meant: by their attribute (or a synonym), else by target.

    Raises:
        UnknownNameError: none is.
    """
    wanted = " ".join(attribute_or_target.split())
    own = meaning(attributes, wanted)
    found = tuple(p for p in held if meaning(attributes, p.attribute) == own)
    found = found or tuple(p for p in held if p.target.casefold() == wanted.casefold())
    if not found:
        names = [name for p in held for name in (p.attribute, p.target)]
        raise unknown(f"preference of {user!r}", attribute_or_target, names)
    return found
