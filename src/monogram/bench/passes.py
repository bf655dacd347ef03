"""What a method does before it answers: further passes of the model, whose prompts count, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from monogram.bench.methods import Prepared
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.prompting.base import THOUGHT, extra_tokens

ROOM = 2 * THOUGHT
"""Tokens that each further pass may add to a conversation, beside the question once more: what was written,
and what is said about it."""
Asked = tuple[Prepared, Sequence[Message]]
"""A conversation as the user has it, and what a method made ready."""


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
    asked: Sequence[Asked],
    *,
    batch_size: int = 16,
    thinking: int = 0,
    known: Callable[[Asked], str | None] = lambda _: None,
) -> list[Ready]:
    """Take all passes but the last, those of several conversations together.

    Args:
        asked: conversations.
        batch_size, thinking: as in `generate`.
        known: what was written before on what a pass is given, if anything was.
    """
    chats = [prepared.wrap(chat) for prepared, chat in asked]
    extra = [extra_tokens(model, chat, now) for now, (_, chat) in zip(chats, asked, strict=True)]
    written: list[list[str]] = [[] for _ in asked]
    while left := [i for i, (prepared, _) in enumerate(asked) if len(written[i]) < prepared.passes - 1]:
        said = {i: text for i in left if (text := known((asked[i][0], chats[i]))) is not None}
        anew = [i for i in left if i not in said]
        texts = generate(
            model,
            [chats[i] for i in anew],
            deltas=[asked[i][0].delta for i in anew],
            max_new_tokens=THOUGHT,
            thinking=thinking,
            batch_size=batch_size,
        )
        for i, text in (said | dict(zip(anew, texts, strict=True))).items():
            prepared, chat = asked[i]
            written[i].append(text)
            chats[i] = prepared.again(chat, written[i])
            extra[i] += len(model.chat_ids(chats[i]))
    return [Ready(chat, tokens) for chat, tokens in zip(chats, extra, strict=True)]


Take = Callable[[Sequence[Asked]], list[Ready]]
"""Conversations -> what their passes came to."""


class Taken:
    """Passes of batches of conversations; each batch's are taken together, when they are first wanted.

    Args:
        batches: what is asked together.
        take: `ready`.
    """

    def __init__(self, batches: Sequence[Sequence[Asked]], take: Take) -> None:
        self._take = take
        self.of: Callable[[int], list[Ready]] = cache(lambda number: take(batches[number]))
        """The number of a batch -> what its conversations came to."""
        self._places = {
            _name(one): (number, row) for number, batch in enumerate(batches) for row, one in enumerate(batch)
        }

    def each(self, asked: Sequence[Asked]) -> list[Ready]:
        """What conversations came to; those that are in no batch are taken together."""
        places = [self._places.get(_name(one)) for one in asked]
        others = iter(self._take([one for one, place in zip(asked, places, strict=True) if place is None]))
        return [next(others) if place is None else self.of(place[0])[place[1]] for place in places]


def _name(asked: Asked) -> tuple[int, str]:
    prepared, chat = asked
    return id(prepared), json.dumps([dict(message) for message in chat], sort_keys=True)
