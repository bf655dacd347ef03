"""Baselines that take more than one pass of the model: chain of thought and self-critic.

Each pass is a conversation of its own, made from the user's and from what was written before; the last one
writes the answer, and nothing of the others is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from monogram.models.chat import Message
from monogram.preferences import Preference
from monogram.prompting.baselines import Reminder
from monogram.prompting.facts import by_the_user, copied, question_of


class ChainOfThought:
    """Think first which of the facts matters, then answer, in two prompts (zero-shot chain of thought, arXiv
    2205.11916, §3). The wording is the best of seven on the project's own questions, see docs/log.md.
    """

    name = "chain-of-thought"
    passes: ClassVar[int] = 2

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation that asks for a thought, not for the answer."""
        thought = (
            f"{by_the_user(preferences)}\n\nMy question will be: {question_of(messages)}\n\nThink first: "
            "which of these facts about me matters for it, and how? One or two sentences, no answer yet."
        )
        return _asking(messages, thought) if preferences else copied(messages)

    def again(
        self, messages: Sequence[Message], preferences: Sequence[Preference], written: Sequence[str]
    ) -> list[dict[str, str]]:
        """The same conversation with the thought as its answer, and then the question again."""
        turns = (("assistant", written[0]), ("user", f"Now answer me: {question_of(messages)}"))
        asked = [{"role": role, "content": content} for role, content in turns]
        return [*self.wrap(messages, preferences), *asked]


class SelfCritic:
    """Answer, criticise the answer against the facts, answer anew (Self-Refine, arXiv 2303.17651, §2). The
    wording is the best of four on the project's own questions, see docs/log.md.
    """

    name = "self-critic"
    passes: ClassVar[int] = 3

    def wrap(self, messages: Sequence[Message], preferences: Sequence[Preference]) -> list[dict[str, str]]:
        """The conversation that asks for a first answer: the reminder's."""
        return Reminder().wrap(messages, preferences)

    def again(
        self, messages: Sequence[Message], preferences: Sequence[Preference], written: Sequence[str]
    ) -> list[dict[str, str]]:
        """The conversation that asks for criticism, then the one that asks for the answer."""
        facts, asked = by_the_user(preferences), question_of(messages)
        if len(written) == 1:
            return _asking(
                messages,
                f'{facts} I asked an assistant: "{asked}" It answered: "{written[0]}" What in this answer is '
                "wrong for me, or leaves out what it should know about me? Say it in one sentence.",
            )
        return _asking(
            messages,
            f'A first answer to what I ask was: "{written[0]}" A critic said: "{written[1]}" {facts} '
            f"With this in mind: {asked}",
        )


def _asking(messages: Sequence[Message], text: str) -> list[dict[str, str]]:
    """The conversation with another last message of the user."""
    chat = copied(messages)
    last = [message for message in chat if message["role"] == "user"][-1:]
    for message in last:
        message["content"] = text
    return chat
