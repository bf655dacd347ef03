"""The two protocols (docs/evaluation.md §1): how a conversation becomes tokens, and how long an answer may
be.

`honest` is what people meet: the chat template, a natural stop, at most 64 tokens. `paper` is what UPQA's
authors published, for comparison with the literature only: the question as raw text, for the edit too, and
answers cut at the target's length and 8 tokens more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monogram.bench.asks import Ask
from monogram.errors import unknown
from monogram.models.chat import Message, checked_messages
from monogram.models.editable import EditableModel

Name = Literal["honest", "paper"]
LONGEST = 64
"""Longest answer in tokens."""
THINKING = 1024
"""Tokens that thinking may take before the answer, where it cannot be switched off."""
BEYOND_TARGET = 8
"""Tokens that the published evaluation lets an answer have beside the target's own."""


class Raw(EditableModel):
    """A model that is given texts as they are: no template, no roles, a stop only where the model ends."""

    @property
    def has_template(self) -> bool:
        """Answers end at the model's own end alone, as if a template said where."""
        return True

    def chat_ids(self, messages: str | Sequence[Message]) -> list[int]:
        """Tokens of the messages' texts, a line each."""
        text = "\n".join(message["content"] for message in checked_messages(messages))
        return [int(i) for i in self.tokenizer(text).input_ids]


@dataclass(frozen=True)
class Protocol:
    """How a run asks.

    Attributes:
        name: `honest` or `paper`.
        longest: longest answer in tokens, where nothing else decides.
    """

    name: Name = "honest"
    longest: int = LONGEST

    @classmethod
    def named(cls, name: str) -> Protocol:
        """The protocol of that name.

        Raises:
            UnknownNameError: there is none.
        """
        for known in ("honest", "paper"):
            if name == known:
                return cls(known)
        raise unknown("protocol", name, ("honest", "paper"))

    def view(self, model: EditableModel) -> EditableModel:
        """The model as methods and questions meet it."""
        return model if self.name == "honest" else Raw(model.model, model.tokenizer, model.layout, model.name)

    @property
    def thinking(self) -> int:
        """Tokens that thinking may take."""
        return THINKING if self.name == "honest" else 0

    def limit(self, model: EditableModel, ask: Ask) -> int:
        """Longest answer to an ask, in tokens."""
        target = ask.gold.get("target")
        if self.name == "paper" and target:
            return len(model.tokenizer(f" {target}", add_special_tokens=False).input_ids) + BEYOND_TARGET
        return ask.longest or self.longest
