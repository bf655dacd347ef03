"""What a task wants done: asks, under states of people. Plain data; who does them is `work.py`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from monogram.bench.facts import State

Chat = tuple[Mapping[str, str], ...]
How = Literal["answer", "options", "next", "text", "digest"]
"""What is done: an answer is written; options are weighed; the next token after each chat is held against the
base model's; a text's likelihood is taken; the state's own digest is noted."""


def said(text: str, *, system: str | None = None, before: Sequence[tuple[str, str]] = ()) -> Chat:
    """A conversation that ends in what the user says.

    Args:
        text: the last message.
        system: a system prompt.
        before: earlier turns, (user, assistant).
    """
    first = () if system is None else ({"role": "system", "content": system},)
    turns = [
        {"role": role, "content": content}
        for turn in before
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
    return (*first, *turns, {"role": "user", "content": text})


@dataclass(frozen=True)
class Ask:
    """One thing that is done once per method, seed and state.

    Attributes:
        kind, variant: what makes its row this one, within a task and item.
        chat: the conversation; empty for `text` and `digest`.
        how: what is done.
        options: answers to weigh, for `options`.
        chats: the conversations of `next`.
        few: places of those of them that suffice where a method writes before it answers; none: all.
        text: what `text` reads.
        longest: longest answer in tokens, where it is not the run's.
        gold: what the answer is held against (target, attribute, ...); it stands in the row.
    """

    kind: str
    chat: Chat = ()
    variant: str = ""
    how: How = "answer"
    options: tuple[str, ...] = ()
    chats: tuple[Chat, ...] = ()
    few: tuple[int, ...] = ()
    text: str = ""
    longest: int | None = None
    gold: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """What the user says last."""
        return self.chat[-1]["content"] if self.chat else ""

    def shown(self) -> dict[str, Any]:
        """What the row tells of the ask, beside its gold."""
        told: dict[str, Any] = {"question": self.question} if self.chat else {}
        if len(self.chat) > 1 and self.chat[0]["role"] == "system":
            told["system"] = self.chat[0]["content"]
        if turns := sum(m["role"] == "assistant" for m in self.chat):
            told["turns"] = turns
        if self.options:
            told["options"] = list(self.options)
        return told

    @cached_property
    def digest(self) -> str:
        """sha256 of what the base model is given: asks of the same digest share the base model's result."""
        given = [self.how, self.chat, self.options, self.chats, self.text, self.longest]
        return hashlib.sha256(json.dumps(given).encode()).hexdigest()


@dataclass(frozen=True)
class Case:
    """Asks about one item, in one state."""

    item: str
    state: State
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class Plan:
    """All that a task wants done.

    Attributes:
        cases: what is asked.
        asked: every text that is evaluated, of the whole data, chosen or not: none of them may train.
        skipped: (item, why) of what cannot be asked; empty item: more than one.
        settings: what else decides the rows (how many probes, say).
    """

    cases: tuple[Case, ...]
    asked: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
