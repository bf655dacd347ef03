"""A conversation with somebody's model: what was said, what of it still fits, and who answers.

    talk = Conversation(model.user("alice"))
    for piece in talk.say("What should I do this weekend?"):
        print(piece, end="")

Preferences may change between two turns; the conversation goes on, and the next answer knows the new ones.
When the model's context is full, the oldest turns are left out of the prompt.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from monogram.errors import InputError
from monogram.models.stream import Stream
from monogram.people import Person

ANSWER = 256
"""Longest answer, in tokens."""
FULL = 0.75
"""Where the context is full, turns are left out until this share of it is taken, so that it lasts a while."""


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    question: str
    answer: str

    def messages(self) -> list[dict[str, str]]:
        """The two, as chat templates take them."""
        return [{"role": "user", "content": self.question}, {"role": "assistant", "content": self.answer}]


class Conversation:
    """A conversation with one person's model.

    Attributes:
        person: whose.
        max_new_tokens: longest answer.
        base: whether the base model answers instead, which knows nobody. Give it a conversation of its own:
            it would repeat what a model that knows somebody has said.
        turns: all that was said, oldest first.
        left_out: how many of the oldest turns are no longer in the prompt.
    """

    def __init__(self, person: Person, *, max_new_tokens: int = ANSWER, base: bool = False) -> None:
        self.person = person
        self.max_new_tokens = max_new_tokens
        self.base = base
        self.turns: list[Turn] = []
        self.left_out = 0
        self._stream = Stream(person.owner.model)

    def say(self, text: str) -> Generator[str, None, None]:
        """Say something, and get the answer in pieces. What was answered joins the conversation, also where
        it is broken off.

        Raises:
            InputError: nothing was said, or more than the model takes; the conversation stays as it was.
            AdapterError, EditRefusedError, StoreError: as `Person.delta`.
        """
        if not text.strip():
            raise InputError("Nothing was said. Say something.")
        said = ""
        delta = None if self.base else self.person.delta()
        prompt = self._prompt(text)
        pieces = self._stream.answer(
            prompt,
            delta=delta if delta is not None and delta.rank else None,
            max_new_tokens=self.max_new_tokens,
        )
        whole = False
        try:
            with closing(pieces):
                for piece in pieces:
                    said += piece
                    yield piece
            whole = True
        finally:
            if said or whole:
                self.turns.append(Turn(text, said))

    def reset(self) -> None:
        """Begin anew: nothing was said."""
        self.turns, self.left_out = [], 0

    def _prompt(self, text: str) -> list[dict[str, str]]:
        """The turns that fit and what is said now, with room for an answer; leaves out what does not fit."""
        em = self.person.owner.model
        last = {"role": "user", "content": text}

        def messages() -> list[dict[str, str]]:
            kept = [message for turn in self.turns[self.left_out :] for message in turn.messages()]
            return [*kept, last]

        if em.context is not None:
            room = em.context - min(self.max_new_tokens, em.context // 4)
            if len(em.chat_ids([last])) >= em.context:
                return [last]  # too long by itself: the stream refuses it, and no turn is left out for it
            if len(em.chat_ids(messages())) > room:
                while self.left_out < len(self.turns) and len(em.chat_ids(messages())) > FULL * room:
                    self.left_out += 1
        return messages()
