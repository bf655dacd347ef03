"""What a method does before it answers: further passes of the model, whose prompts count, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monogram.bench.methods import Prepared
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.prompting.base import THOUGHT, extra_tokens

ROOM = 2 * THOUGHT
"""Tokens that each further pass may add to a conversation: what was written, and what is said about it."""


@dataclass(frozen=True)
class Ready:
    """A conversation as it stands when the answer is about to start.

    Attributes:
        chat: what the last pass is given.
        extra_tokens: tokens of all passes' prompts beyond the question's own.
    """

    chat: list[dict[str, str]]
    extra_tokens: int


def ready(
    model: EditableModel,
    asked: Sequence[tuple[Prepared, Sequence[Message]]],
    *,
    batch_size: int = 16,
    thinking: int = 0,
) -> list[Ready]:
    """Take all passes but the last, those of several conversations together.

    Args:
        asked: conversations as the user has them, each with what a method made ready.
        batch_size, thinking: as in `generate`.
    """
    chats = [prepared.wrap(chat) for prepared, chat in asked]
    extra = [extra_tokens(model, chat, now) for now, (_, chat) in zip(chats, asked, strict=True)]
    written: list[list[str]] = [[] for _ in asked]
    while left := [i for i, (prepared, _) in enumerate(asked) if len(written[i]) < prepared.passes - 1]:
        said = generate(
            model,
            [chats[i] for i in left],
            deltas=[asked[i][0].delta for i in left],
            max_new_tokens=THOUGHT,
            thinking=thinking,
            batch_size=batch_size,
        )
        for i, text in zip(left, said, strict=True):
            prepared, chat = asked[i]
            written[i].append(text)
            chats[i] = prepared.again(chat, written[i])
            extra[i] += len(model.chat_ids(chats[i]))
    return [Ready(chat, tokens) for chat, tokens in zip(chats, extra, strict=True)]
