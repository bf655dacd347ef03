"""One conversation, token by token: pieces of an answer as they come, keys and values kept between turns.

What was computed for a turn is used again in the next one as far as the tokens and the delta are the same.
So an answer never depends on what was asked before it, beyond rounding, and joined pieces are what `generate`
gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Sequence
from itertools import takewhile

import torch
from transformers import DynamicCache

from monogram.delta import Delta
from monogram.errors import InputError
from monogram.models.attach import attach
from monogram.models.chat import PLAIN_STOPS, Message
from monogram.models.editable import EditableModel
from monogram.models.generate import answer_text, ends


class Stream:
    """Answers on a model for one conversation at a time. Holds the keys and values of the last turn.

    Attributes:
        em: the model.
        reused: how many tokens of the last prompt were not computed again.
    """

    def __init__(self, em: EditableModel) -> None:
        self.em = em
        self.reused = 0
        self._cache: DynamicCache | None = None
        self._seen: list[int] = []
        self._owner = ""
        self._turn = 0

    def answer(
        self, prompt: str | Sequence[Message], *, delta: Delta | None = None, max_new_tokens: int = 64
    ) -> Generator[str, None, None]:
        """The answer, in pieces. Between two pieces nothing is attached to the model.

        Args:
            prompt: a conversation; a string is one message of the user.
            delta: what is attached to the model for it; None for the base model.
            max_new_tokens: longest answer, in tokens; it also ends where the model's context does.

        Raises:
            InputError: a limit below 1, a prompt longer than the context, or another answer was begun before
                this one had ended.
            LayerError: the delta edits a module that is not there.
        """
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens ({max_new_tokens}) must be at least 1.")
        ids = self.em.chat_ids(prompt)
        self.em.refuse_longer(len(ids))
        context = self.em.context
        limit = max_new_tokens if context is None else min(max_new_tokens, context - len(ids))
        return self._pieces(ids, delta, limit)

    def _pieces(self, ids: list[int], delta: Delta | None, limit: int) -> Generator[str, None, None]:
        self._cut_back(ids, delta)
        self._turn += 1
        turn = self._turn
        made: list[int] = []
        shown = ""
        token = self._next(ids[self.reused :], delta)
        while not ends(self.em, made, token, limit):
            ready = settled(self.em, made)
            if len(ready) > len(shown) and ready.startswith(shown):
                yield ready[len(shown) :]
                shown = ready
                if turn != self._turn:
                    raise InputError("Another answer was begun in this stream. Make a stream for each.")
            token = self._next([token], delta)
        if rest := answer_text(self.em, made)[len(shown) :]:
            yield rest

    def _cut_back(self, ids: Sequence[int], delta: Delta | None) -> None:
        """Keep of the cache what the new prompt begins with; its last token is always run."""
        owner = delta.digest if delta is not None else ""
        same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(self._seen, ids[:-1], strict=False))))
        surplus = len(self._seen) - same
        if self._cache is None or owner != self._owner:
            self._cache, same = DynamicCache(), 0  # without the model's config, it forgets nothing
        elif surplus:
            self._cache.crop(-surplus)
        self._seen, self._owner, self.reused = list(ids[:same]), owner, same

    def _next(self, ids: Sequence[int], delta: Delta | None) -> int:
        """Run tokens after those that were seen, and return the one that follows."""
        cache, self._cache = self._cache, None  # interrupted on the way, it is half filled
        start, device = len(self._seen), self.em.device
        told = {
            "attention_mask": torch.ones(1, start + len(ids), dtype=torch.long, device=device),
            "position_ids": torch.arange(start, start + len(ids), device=device)[None],
            "logits_to_keep": 1,
        }
        takes = inspect.signature(self.em.model.forward).parameters
        with attach(self.em, delta), torch.no_grad():
            logits = self.em.model(
                input_ids=torch.tensor([list(ids)], device=device),  # (1, T)
                past_key_values=cache,
                use_cache=True,
                **{key: value for key, value in told.items() if key in takes},
            ).logits
        self._cache = cache
        self._seen += ids
        return int(logits[0, -1].argmax())


def settled(em: EditableModel, made: Sequence[int]) -> str:
    """As much of the answer's text as no later token can change.

    Held back are blanks at the end, half a character, and what may become a further turn (plain template).
    """
    text = em.decode(made).rstrip("\ufffd")
    if not em.has_template and "\n" in text:
        head, _, tail = text.rpartition("\n")
        text = head if any(stop.startswith(f"\n{tail}") for stop in PLAIN_STOPS) else text
    return text.strip()
