"""An answer as its tokens come: what no later token can change may be shown, and a stop text ends it."""

from __future__ import annotations

from typing import Literal

from monogram.models.editable import EditableModel
from monogram.models.generate import answer_text, ends
from monogram.models.stream import settled
from monogram.serving.sampling import Sampling

Reason = Literal["stop", "length"]
"""Why an answer ended: it was whole (or held a stop text), or as long as it may be."""


class Writer:
    """One answer. `reason` is None until it has ended; `limit` is how many tokens it may have."""

    def __init__(self, em: EditableModel, sampling: Sampling, prompt: int) -> None:
        self._em = em
        self._stop = sampling.stop
        longest = sampling.max_tokens
        self.limit = longest if em.context is None else min(longest, em.context - prompt)
        self._shown = 0
        self.made: list[int] = []
        self.reason: Reason | None = None

    def add(self, token: int) -> str:
        """Take the next token; what may be shown now."""
        if ends(self._em, self.made, token, self.limit):
            self.reason = "stop" if token in self._em.eos_ids or len(self.made) < self.limit else "length"
            return self._until(answer_text(self._em, self.made), final=True)
        return self._until(settled(self._em, self.made), final=False)

    def close(self, reason: Reason) -> str:
        """End it as it is; what may be shown still."""
        text = self._until(answer_text(self._em, self.made), final=True)
        self.reason = self.reason or reason
        return text

    def _until(self, text: str, *, final: bool) -> str:
        """What is new in the text, up to a stop text or to what may become one."""
        places = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        if places:
            text, self.reason = text[: min(places)], "stop"
        elif not final:
            text = text[: len(text) - max((_begun(text, stop) for stop in self._stop), default=0)]
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new


def _begun(text: str, stop: str) -> int:
    """How many characters at the text's end may be the beginning of a stop text."""
    return max((n for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
