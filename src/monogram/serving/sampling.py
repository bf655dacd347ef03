"""What a request wants of its answer, and the next token of each row of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from monogram.errors import InputError

MOST_STOPS, LONGEST_STOP = 4, 100


@dataclass(frozen=True)
class Sampling:
    """How an answer is written; the names are the OpenAI interface's.

    Attributes:
        max_tokens: longest answer, in tokens, 1 or more.
        temperature: 0 takes the likeliest token, as preferences are measured; up to 2.
        top_p: tokens are drawn from the likeliest that together have this probability, above 0, up to 1.
        seed: of the drawing; None draws anew each time.
        stop: texts that end the answer, without being part of it; at most 4, of at most 100 characters.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for wrong, what in (
            (self.max_tokens < 1, f"max_tokens is {self.max_tokens}; at least 1 is needed"),
            (
                not (math.isfinite(self.temperature) and 0 <= self.temperature <= 2),
                f"temperature is {self.temperature}; it goes from 0 to 2",
            ),
            (not 0 < self.top_p <= 1, f"top_p is {self.top_p}; it goes from above 0 to 1"),
            (
                len(self.stop) > MOST_STOPS,
                f"{len(self.stop)} stop texts were given; {MOST_STOPS} is the most",
            ),
            (
                not all(0 < len(text) <= LONGEST_STOP for text in self.stop),
                f"a stop text is empty or has more than {LONGEST_STOP} characters",
            ),
        ):
            if wrong:
                raise InputError(f"{what}.")


def generator(sampling: Sampling) -> torch.Generator | None:
    """What a request's tokens are drawn with; None where nothing is drawn."""
    if not sampling.temperature:
        return None
    made = torch.Generator()
    if sampling.seed is None:
        made.seed()
    else:
        made.manual_seed(sampling.seed % 2**63)
    return made


def choose(logits: Tensor, wanted: Sequence[Sampling], draws: Sequence[torch.Generator | None]) -> list[int]:
    """The next token of each row, from its logits (B, V). What a row gets hangs on no other row."""
    found = [int(token) for token in logits.argmax(-1)]
    for row, (sampling, draw) in enumerate(zip(wanted, draws, strict=True)):
        if draw is not None:
            found[row] = _drawn(logits[row], sampling, draw)
    return found


def _drawn(logits: Tensor, sampling: Sampling, draw: torch.Generator) -> int:
    likely, order = (logits.double().cpu() / sampling.temperature).softmax(-1).sort(descending=True)
    before = likely.cumsum(-1) - likely  # what is likelier than each
    likely = likely.masked_fill(before >= sampling.top_p, 0.0)
    return int(order[torch.multinomial(likely, 1, generator=draw)])
