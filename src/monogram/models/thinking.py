"""Models that think before they answer: how long they may, and what of it is the answer.

Thinking is switched off where a template knows the switch (`models.chat`); this is for those that think all
the same, between the tokens `<think>` and `</think>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Thinking:
    """The two tokens of a model, and how many tokens its thinking may take."""

    begin: int
    end: int
    most: int

    @classmethod
    def of(cls, tokenizer: Any, most: int) -> Thinking | None:
        """What a tokenizer's model thinks between; None where it has no such tokens, or may not think."""
        marks = [tokenizer(mark, add_special_tokens=False).input_ids for mark in ("<think>", "</think>")]
        if most < 1 or any(len(ids) != 1 for ids in marks):
            return None
        return cls(int(marks[0][0]), int(marks[1][0]), most)

    def limit(self, prompt: Sequence[int], made: Sequence[int], longest: int) -> int:
        """How many tokens may be made: `longest` for the answer, beside `most` for the thinking before it."""
        if not self._thinks(prompt, made):
            return longest
        return list(made).index(self.end) + 1 + longest if self.end in made else self.most

    def answer(self, prompt: Sequence[int], made: Sequence[int]) -> list[int]:
        """What was made without the thinking; nothing where that never ended."""
        ids = list(made)
        if not self._thinks(prompt, made):
            return ids
        return ids[ids.index(self.end) + 1 :] if self.end in ids else []

    def _thinks(self, prompt: Sequence[int], made: Sequence[int]) -> bool:
        """Whether the prompt leaves the thinking open, or the model begins with it."""
        last = next((token for token in reversed(prompt) if token in (self.begin, self.end)), self.end)
        return last == self.begin or self.begin in made
