"""What a method does before it answers: further passes of the model, whose prompts count, too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
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


def prompt_digest(chat: Sequence[Message], longest: int) -> str:
    """What the base model's answer to a conversation hangs on: one prompt is answered once in a run.

    Args:
        longest: longest answer in tokens.
    """
    return hashlib.sha256(json.dumps([chat, longest], sort_keys=True).encode()).hexdigest()[:32]


def ready(
    model: EditableModel,
    asked: Sequence[tuple[Prepared, Sequence[Message]]],
    *,
    batch_size: int = 16,
    thinking: int = 0,
    known: Mapping[str, str] | None = None,
) -> list[Ready]:
    """Take all passes but the last, those of several conversations together.

    Args:
        asked: conversations as the user has them, each with what a method made ready.
        batch_size, thinking: as in `generate`.
        known: what the base model has answered in this run, by `prompt_digest`.
    """
    chats = [prepared.wrap(chat) for prepared, chat in asked]
    extra = [extra_tokens(model, chat, now) for now, (_, chat) in zip(chats, asked, strict=True)]
    written: list[list[str]] = [[] for _ in asked]
    while left := [i for i, (prepared, _) in enumerate(asked) if len(written[i]) < prepared.passes - 1]:
        said = {i: text for i in left if (text := _known(known, asked[i][0], chats[i])) is not None}
        new = [i for i in left if i not in said]
        texts = generate(
            model,
            [chats[i] for i in new],
            deltas=[asked[i][0].delta for i in new],
            max_new_tokens=THOUGHT,
            thinking=thinking,
            batch_size=batch_size,
        )
        said.update(zip(new, texts, strict=True))
        for i in left:
            prepared, chat = asked[i]
            written[i].append(said[i])
            chats[i] = prepared.again(chat, written[i])
            extra[i] += len(model.chat_ids(chats[i]))
    return [Ready(chat, tokens) for chat, tokens in zip(chats, extra, strict=True)]


def _known(known: Mapping[str, str] | None, prepared: Prepared, chat: Sequence[Message]) -> str | None:
    """What the base model has answered to the pass's conversation, where it is the one that is asked."""
    return None if known is None or prepared.delta is not None else known.get(prompt_digest(chat, THOUGHT))
