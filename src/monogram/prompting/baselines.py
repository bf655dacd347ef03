"""The first three baselines, written as a careful engineer would: nothing said, said in the system message,
said again in front of every question.

What of a person is said, and how, is `facts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from monogram.models.chat import Message
from monogram.preferences import Preference
from monogram.prompting.facts import by_the_user, copied, to_the_model

ASSISTANT = "You are a helpful assistant."
"""The system message where the conversation has none."""


class NoPrompt:
    """The base model as it is."""

    name = "none"

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation as it was."""
        del preferences
        return copied(messages)


class SystemPrompt:
    """The facts in the system message, after what it said already, once per conversation."""

    name = "system-prompt"

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation with "About the user: ..." at the end of its system message."""
        chat = copied(messages)
        if not preferences:
            return chat
        about = f"About the user: {to_the_model(preferences)} Use this when it helps to answer the user."
        if chat and chat[0]["role"] == "system":
            chat[0]["content"] = f"{chat[0]['content']}\n\n{about}"
            return chat
        return [{"role": "system", "content": f"{ASSISTANT}\n\n{about}"}, *chat]


class Reminder:
    """The facts in front of the user's question, in the user's voice, at every turn that is answered.

    The wording is the best of three on the project's own questions (SmolLM2, 16 direct and paraphrased ones):
    11 were answered with the target, against 8 with the bare fact and 6 with "Remember this about me: ...".
    """

    name = "reminder"

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation with the facts before the last message of the user."""
        chat = copied(messages)
        asked = [message for message in chat if message["role"] == "user"]
        if preferences and asked:
            told = by_the_user(preferences)
            asked[-1]["content"] = f"{told} With this in mind: {asked[-1]['content']}"
        return chat
