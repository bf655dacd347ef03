"""A person's preferences side by side: which mean the same, which one replaces which, which one is meant.

Two attributes are the same when the table says so (`job`, `profession`), else when they read the same. Two
targets are the same when they read the same but for case, punctuation, articles, plurals and plain synonyms
("bike", "bicycle"), or when embeddings say so, where there are any. Plain data: knows no model.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from monogram.clusters.grammar import folded, grammar
from monogram.clusters.table import Table
from monogram.errors import InputError, unknown
from monogram.preferences import Preference
from monogram.words import normal

Same = Callable[[str, str], bool]
"""Whether two targets mean the same."""
ARTICLES = frozenset(("", "a", "an", "the", "my", "our", "some", "any"))
EDGES = ".,;:!?\"'()[]*"


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
        raise InputError(
            f"{lacking}. Give attribute= and target= (--attribute and --target on the command line), "
            "say attribute 'hobby' and target 'Hiking'; or a plain sentence alone."
        )
    found = attributes.find(attribute) if isinstance(attribute, str) else None
    usual = found.polarity if found is not None else "likes"
    return Preference.checked(attribute, target, sentence or "", polarity or usual)


def meaning(attributes: Table, attribute: str) -> str:
    """What an attribute stands for: its name in the table, or itself without regard to case."""
    found = attributes.find(attribute)
    return (found.name if found is not None else attribute).casefold()


def reads_same(one: str, other: str) -> bool:
    """Whether two targets read the same, but for case, punctuation, articles, plurals and plain synonyms."""
    return _plain(one) == _plain(other)


def twin(
    attributes: Table, held: Iterable[Preference], new: Preference, same: Same = reads_same
) -> Preference | None:
    """The one among those held that says what `new` says; None where none does."""
    own = meaning(attributes, new.attribute)
    for old in held:
        near = old.polarity == new.polarity and meaning(attributes, old.attribute) == own
        if near and (reads_same(old.target, new.target) or same(old.target, new.target)):
            return old
    return None


def changes(
    attributes: Table, held: Sequence[Preference], new: Iterable[Preference], same: Same = reads_same
) -> tuple[list[tuple[Literal["added", "replaced"], Preference]], tuple[Preference, ...]]:
    """What happens when `new` preferences come to those that are `held`, one after the other.

    A new value replaces the old one where a person has one at a time (`single` in the table, and every
    attribute that is not in it); elsewhere values stand side by side. What was liked and is now avoided is
    replaced.

    Args:
        same: whether two targets mean the same, beyond reading the same.

    Returns:
        What is replaced and added, in order (nothing for what is held already), and the set that is left.
    """
    left = list(held)
    steps: list[tuple[Literal["added", "replaced"], Preference]] = []
    for preference in new:
        if twin(attributes, left, preference, same) is not None:
            continue
        gone = [old for old in left if _replaces(attributes, preference, old)]
        steps += [("replaced", old) for old in gone]
        steps.append(("added", preference))
        left = [old for old in left if old not in gone] + [preference]
    return steps, tuple(left)


def meant(
    attributes: Table, user: str, held: Sequence[Preference], attribute_or_target: str
) -> tuple[Preference, ...]:
    """The preferences among those held that are meant: all of an attribute (or a synonym), else one target's.

    Raises:
        UnknownNameError: none is.
    """
    wanted = " ".join(attribute_or_target.split())
    own = meaning(attributes, wanted)
    found = tuple(p for p in held if meaning(attributes, p.attribute) == own)
    found = found or tuple(p for p in held if p.target.casefold() == wanted.casefold())
    found = found or tuple(p for p in held if reads_same(p.target, wanted))
    if not found:
        names = [name for p in held for name in (p.attribute, p.target)]
        raise unknown(f"preference of {user!r}", attribute_or_target, names)
    return found


def _replaces(attributes: Table, new: Preference, old: Preference) -> bool:
    own = meaning(attributes, new.attribute)
    if meaning(attributes, old.attribute) == own:
        known = attributes.find(own)
        return known is None or known.single or reads_same(new.target, old.target)
    turned = {new.polarity, old.polarity} == {"likes", "avoids"}
    return turned and reads_same(new.target, old.target)


def _plain(target: str) -> tuple[str, ...]:
    """A target's words as they are compared; signs inside a word count ("C++"), and so does every "not"."""
    bare = (word.strip(EDGES) for word in re.sub(r"[-_/]", " ", normal(target)).split())
    text = f" {' '.join(folded(word) for word in bare if word not in ARTICLES)} "
    for other, plain in grammar().synonyms.items():
        text = text.replace(f" {other} ", f" {plain} ")
    return tuple(text.split()) or (target.strip(),)
