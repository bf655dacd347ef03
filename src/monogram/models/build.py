"""What the last bits of a result hang on, besides what goes in: libraries, processor, number of threads."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import transformers

from monogram.models.editable import EditableModel


def build(model: EditableModel) -> dict[str, str | int]:
    """What computes now. Where it is the same, the same comes out to the bit."""
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "device": model.device.type,
        "threads": torch.get_num_threads(),
    }


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for the length of a `with`: sums are always split alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
