"""What a method costs while it is used: time to the first token, tokens per second, extra memory.

Times are medians of a few turns after one that does not count.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from monogram.bench.methods import Prepared
from monogram.bench.passes import ready
from monogram.delta import Delta
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate

TURNS = 3
TOKENS = 24
"""Tokens of each answer whose writing is timed."""
ASKED = "Tell me at length what I could do on a free afternoon."
QUESTION: Sequence[Message] = ({"role": "user", "content": ASKED},)
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass
class Extra:
    """The most memory that the block used beyond what was held before it, in bytes: the GPU's, or the
    process's; None where nobody tells. What was freed before is given back to the system first.

    with Extra(model) as extra: ...
    """

    model: EditableModel
    nbytes: int | None = field(default=None, init=False)
    _before: int = field(default=0, init=False)

    def __enter__(self) -> Extra:
        gc.collect()
        if self.model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.model.device)
            self._before = torch.cuda.memory_allocated(self.model.device)
        elif _RESET.exists():
            if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
                libc.malloc_trim(0)
            _RESET.write_text("5")  # Linux: forget the process's high-water mark
            self._before = _told("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        if self.model.device.type == "cuda":
            self.nbytes = torch.cuda.max_memory_allocated(self.model.device) - self._before
        elif _RESET.exists():
            self.nbytes = max(0, _told("VmHWM") - self._before)


def _told(what: str) -> int:
    """Bytes that the system counts for this process."""
    lines = _STATUS.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def grown(delta: Delta, count: int) -> Delta:
    """A delta of the size that `count` preferences have: so many copies, each at its share."""
    total = Delta.zero()
    for _ in range(count):
        total = total + delta * (1 / count)
    return total


def first_token(model: EditableModel, prepared: Prepared) -> float:
    """Seconds from a question to the first token of its answer."""

    def once() -> None:
        generate(model, _put(model, [prepared]), deltas=prepared.delta, max_new_tokens=1)

    return _median(once)


def throughput(model: EditableModel, prepared: Prepared, people: int) -> float:
    """Tokens per second with so many people in a batch, each with what is theirs: nothing is read once for
    several, though all are asked the same here.
    """
    each = [
        replace(prepared, delta=Delta.zero() if prepared.delta is None else copy.copy(prepared.delta))
        for _ in range(people)
    ]
    owners = [one.delta for one in each]
    made: list[str] = []

    def once() -> None:
        chats = _put(model, each)
        made[:] = generate(model, chats, deltas=owners, max_new_tokens=TOKENS, batch_size=people)

    seconds = _median(once)
    tokens = sum(len(model.tokenizer(text, add_special_tokens=False).input_ids) for text in made)
    return max(tokens, people) / seconds


def _put(model: EditableModel, each: Sequence[Prepared]) -> list[list[dict[str, str]]]:
    """The question as the last pass has it, for each of some people."""
    return [now.chat for now in ready(model, [(one, QUESTION) for one in each], batch_size=len(each))]


def _median(do: Callable[[], object]) -> float:
    do()
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        do()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
