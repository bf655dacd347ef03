"""The reader that has sentence embeddings: rules first, and the nearest attribute where they are not sure.

An attribute stands in the room of meanings as a few dozen short statements, made from its examples and its
words. The encoder is handed in; nothing here knows how it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monogram.clusters.expand import first_person
from monogram.clusters.grammar import gerund, grammar
from monogram.clusters.rules import LIKED, Found, settled, understood
from monogram.clusters.said import clauses
from monogram.clusters.table import Attribute, table
from monogram.preferences import Preference

LIKELY = 0.4
"""Cosine from which on the nearest attribute is better than a guess."""
WORDS = 12
"""Most words of each section that stand for an attribute."""
NEAREST = 3
"""An attribute is as near as the mean of so many of its statements."""
SURE = 0.5
"""Cosine from which on a statement that no form fits is of the nearest attribute (docs/log.md)."""
SAME = 0.85
"""Cosine from which on two targets mean the same: on 56 pairs, none of the 29 different ones reaches it, and
11 of the 27 same ones do (docs/log.md)."""
LEADS = {"like": "I love {}", "am": "I am {}", "have": "I have {}"}


class Encoder(Protocol):
    """Sentences as vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, width) vectors of length 1."""


class Nearest:
    """Reads by rules and by the nearest attribute."""

    name = "embed"

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def read(self, turns: Sequence[str]) -> tuple[Preference, ...]:
        """The preferences in somebody's own turns, in the order in which they were said."""
        found = [(one, c.sentence) for turn in turns for c in clauses(turn) for one in self._of(c.text)]
        return settled(found)

    def same(self, one: str, other: str) -> bool:
        """Whether two targets mean the same."""
        a, b = self.encoder.encode([one, other])
        return float(a @ b) >= SAME

    def _of(self, clause: str) -> Iterator[Found]:
        found = understood(clause)
        liked = frozenset(grammar().words[LIKED[0]].values())
        for one in found or ():
            if one.guess:
                name, cosine = self._nearest(clause, liked)
                yield replace(one, attribute=name if cosine >= LIKELY else one.attribute)
            else:
                yield one
        if found == [] and grammar().open["state"].match(clause):
            name, cosine = self._nearest(clause, frozenset(table().names))
            if cosine >= SURE and (target := _object(clause)):
                yield Found(name, target, table().attributes[name].polarity)

    def _nearest(self, clause: str, among: frozenset[str]) -> tuple[str, float]:
        """The nearest of these attributes, and its cosine."""
        owners, vectors = self._statements
        near = (self.encoder.encode([clause]) @ vectors.T)[0]
        marks = {
            name: float(np.sort(near[owners == name])[-NEAREST:].mean())
            for name in table().names
            if name in among
        }
        best = max(marks, key=lambda name: marks[name])
        return best, marks[best]

    @cached_property
    def _statements(self) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
        """Whose each statement is, and its vector. Read once for a reader."""
        pairs = [(a.name, text) for a in table() for text in statements(a)]
        return np.array([name for name, _ in pairs]), self.encoder.encode([text for _, text in pairs])


def statements(attribute: Attribute) -> list[str]:
    """Short first-person statements of an attribute, from its examples and its words."""
    told = [first_person(attribute.said(example)) for example in attribute.examples]
    for section, lead in LEADS.items():
        own = [" ".join(words) for words, name in grammar().words[section].items() if name == attribute.name]
        told += [lead.format(text) for text in own[:WORDS]]
    return told


def _object(clause: str) -> str:
    """What a statement that no form fits is about: what somebody is or has, else what they do."""
    rules = grammar()
    if rules.open["subject"].match(clause):
        return rules.target(rules.open["subject"].sub("", clause))
    doing = re.sub(r"^\w+ (?:do (?=not ))?", "", clause)
    denied = "not " if doing.startswith("not ") else ""
    return denied + gerund(rules.target(doing.removeprefix("not ")))
