"""`retrieval`: of what is known of the person, what is nearest to the question stands in front of it.

Facts and questions are compared by sentence embeddings (all-MiniLM-L6-v2). Only the person's own facts are
there to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monogram.models.chat import Message
from monogram.models.sentences import SentenceEncoder
from monogram.preferences import Preference
from monogram.prompting.baselines import Reminder
from monogram.prompting.facts import by_the_user, question_of

NEAREST = 3
"""How many facts are said, at most."""


class Encoder(Protocol):
    """Sentences as vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, width) vectors of length 1."""


class Retrieval:
    """The nearest facts, as the reminder says them.

    Args:
        load: where the encoder comes from, when the first question is asked; by default it is fetched once,
            with an error that tells what to do where that cannot be.
    """

    name = "retrieval"

    def __init__(self, load: Callable[[], Encoder] = SentenceEncoder.load) -> None:
        self._load = load
        self._encoder: Encoder | None = None
        self._vectors: dict[str, NDArray[np.float32]] = {}  # by text

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation with the nearest facts before the last message of the user.

        Raises:
            ModelError: the encoder is not here and cannot be fetched, or its files are broken.
        """
        asked = question_of(messages)
        return Reminder().wrap(messages, self.nearest(asked, preferences) if asked else ())

    def nearest(self, question: str, preferences: Sequence[Preference]) -> list[Preference]:
        """The facts nearest to a question, nearest first; of equal ones the first."""
        if not preferences:
            return []
        near = [-float(self._vector(by_the_user([p])) @ self._vector(question)) for p in preferences]
        return [preferences[i] for i in np.argsort(near, kind="stable")[:NEAREST]]

    def _vector(self, text: str) -> NDArray[np.float32]:
        """One text at a time, so that its vector hangs on no other text."""
        if self._encoder is None:
            self._encoder = self._load()
        if text not in self._vectors:
            self._vectors[text] = self._encoder.encode([text])[0]
        return self._vectors[text]
