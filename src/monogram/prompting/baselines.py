"""The first three baselines, written as a careful engineer would: nothing said, said in the system message,
said again in front of every question.

The facts are the preference's own words: attribute, target, and the person's statement when there is one. No
fact is hidden from a baseline that an editor is given.
"""

from __future__ import annotations

from collections.abc import Sequence

from monogram.models.chat import Message
from monogram.preferences import Preference

ASSISTANT = "You are a helpful assistant."
"""The system message where the conversation has none."""


class NoPrompt:
    """The base model as it is."""

    name = "none"

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation as it was."""
        del preferences
        return _copied(messages)


class SystemPrompt:
    """The facts in the system message, after what it said already, once per conversation."""

    name = "system-prompt"

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation with "About the user: ..." at the end of its system message."""
        chat = _copied(messages)
        if not preferences:
            return chat
        facts = " ".join(_about(p, "The user's", "The user") for p in preferences)
        about = f"About the user: {facts} Use this when it helps to answer the user."
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
        chat = _copied(messages)
        asked = [message for message in chat if message["role"] == "user"]
        if preferences and asked:
            facts = " ".join(_about(p, "My", "I") for p in preferences)
            asked[-1]["content"] = f"{facts} With this in mind: {asked[-1]['content']}"
        return chat


def _about(preference: Preference, whose: str, who: str) -> str:
    """One fact as a sentence, with the person's own statement after it when there is one."""
    attribute, target = preference.attribute, preference.target.rstrip(".")
    if preference.polarity == "avoids":
        verb = "avoid" if who == "I" else "avoids"
        fact = f"{who} {verb} {target} ({attribute})."
    else:
        fact = f"{whose} {attribute} is {target}."
    if not preference.statement:
        return fact
    said = preference.statement if preference.statement[-1] in ".!?" else f"{preference.statement}."
    return f"{fact} {said}" if who == "I" else f'{fact} They said: "{said}"'


def _copied(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [dict(message) for message in messages]
