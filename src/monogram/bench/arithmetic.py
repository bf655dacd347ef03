"""How much arithmetic a block does, and what this machine does at best: how far a method is from that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from monogram.models.editable import EditableModel

SIDE = 2048
"""Of the square matrices that a machine's best rate is taken with."""
COPIED = 1 << 28
"""Bytes that are copied for the best rate of reading and writing."""
TURNS = 5


class Counted(TorchDispatchMode):
    """Count the matrix products and attention of a block, those of backward passes included.

    Attributes:
        operations: floating-point operations, a multiplication with its addition as two.
        moved: bytes of what goes into each of these and comes out, each once: less cannot be read and written
            unless several are done as one.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += formula(*args, **kwargs, out_val=out)
            self.moved += sum(t.nbytes for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor))
        return out


@dataclass(frozen=True)
class Best:
    """A machine's best rates: operations and bytes in a second."""

    operations: float
    moved: float

    @classmethod
    def of(cls, model: EditableModel) -> Best:
        """Where a model's weights are, in their type: the best of a few turns."""
        square = torch.ones(SIDE, SIDE, dtype=model.dtype, device=model.device)
        long = torch.ones(COPIED // model.dtype.itemsize, dtype=model.dtype, device=model.device)
        return cls(
            2 * SIDE**3 / _least(lambda: square @ square, model.device),
            2 * COPIED / _least(long.clone, model.device),
        )

    def seconds(self, counted: Counted) -> float:
        """The least that what was counted takes here: its arithmetic or its bytes, whichever takes longer."""
        return max(counted.operations / self.operations, counted.moved / self.moved)


def _least(do: Callable[[], object], device: torch.device) -> float:
    """Seconds, at least, after one turn that does not count."""
    times = []
    for _ in range(TURNS + 1):
        start = time.perf_counter()
        do()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
