"""What a prompting baseline is: it changes the messages, never the model. Also what that costs in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.preferences import Preference

THOUGHT = 64
"""Tokens that a pass before the answer may write: as many as an answer has in a benchmark."""


class Prompting(Protocol):
    """A way to say in the prompt what is true of a person."""

    @property
    def name(self) -> str:
        """What scripts call it."""

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation with the preferences said in it. What was given stays as it is.

        Args:
            messages: a conversation whose last message is the user's question.
            preferences: what is true of the user; with none, the conversation comes back unchanged.
        """


@runtime_checkable
class Repeated(Prompting, Protocol):
    """A baseline whose answer takes several passes of the model; `wrap` makes the first conversation."""

    @property
    def passes(self) -> int:
        """How many, with the one that writes the answer."""

    def again(
        self, messages: Sequence[Message], preferences: Sequence[Preference], written: Sequence[str]
    ) -> list[dict[str, str]]:
        """The conversation of the next pass.

        Args:
            messages: the user's conversation.
            preferences: what is true of the user, at least one.
            written: what the passes before wrote, in their order.
        """


def extra_tokens(model: EditableModel, before: Sequence[Message], after: Sequence[Message]) -> int:
    """How many tokens the prompt grew by, template included.

    It can be less than the words that were added: a template's own default system message goes when one is
    given.
    """
    return len(model.chat_ids(after)) - len(model.chat_ids(before))
