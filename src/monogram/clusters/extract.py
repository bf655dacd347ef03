"""From a plain sentence or a whole conversation to proposed preferences, for review.

What reads is a `Reader`: rules that need nothing (`rules.py`), the nearest attribute by embeddings
(`nearest.py`), or a language model (`llm.py`). Whoever it is gets the person's own turns, and nothing that
the assistant said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monogram.clusters.group import changes
from monogram.clusters.said import Said, turns
from monogram.clusters.table import table
from monogram.preferences import Preference


class Reader(Protocol):
    """What finds preferences in plain words."""

    @property
    def name(self) -> str:
        """Its plain name."""

    def read(self, turns: Sequence[str]) -> tuple[Preference, ...]:
        """The preferences in somebody's own turns, in order; none where they say nothing about themself.

        Raises:
            ReaderError: it could not be asked, or did not answer properly.
        """

    def same(self, one: str, other: str) -> bool:
        """Whether two targets mean the same."""


def propose(said: Said, reader: Reader) -> tuple[Preference, ...]:
    """The preferences that a text or a conversation holds, one of a kind: the last of what is single wins.

    Raises:
        InputError: neither text nor messages with `role` and `content`.
        ReaderError: as the reader.
    """
    _, left = changes(table(), (), reader.read(turns(said)), reader.same)
    return left
