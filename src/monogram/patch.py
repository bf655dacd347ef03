"""Patch: a change of a model that is no low-rank matrix, put on and taken off by `attach` as a delta is.

A codebook that is looked up by distance is one; so is a change of full rank. Where only a delta will do (a
person's store, an adapter, a merged model), `as_delta` gives the delta that it is near, or says why none is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from monogram.delta import Delta


class Patch(ABC):
    """A change of the outputs of named matrices. Immutable; a subclass says what the change is."""

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[int, int]]:
        """Full module name -> (outputs, inputs) of each matrix whose output it changes."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all that it holds."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """sha256 of all that it holds: the same patch to the bit, the same digest."""

    @abstractmethod
    def changed(self, name: str, x: Tensor, out: Tensor) -> Tensor:
        """What module `name` puts out instead.

        Args:
            name: one of `shapes`.
            x: (..., d_in) its input.
            out: (..., d_out) its output without the patch.

        Returns:
            (..., d_out), of `out`'s type. A place hangs on its own x and out alone, so that rows may leave a
            batch and tokens may come one by one.
        """

    @abstractmethod
    def as_delta(self) -> Delta:
        """The low-rank change that it is near.

        Raises:
            InputError: there is none; it says what is refused for that, and what to do.
        """


Attachable = Delta | Patch
"""What `attach` puts on a model's rows."""


def shapes_of(change: Attachable) -> Mapping[str, tuple[int, int]]:
    """Full module name -> (outputs, inputs) of each matrix whose output it changes."""
    if isinstance(change, Patch):
        return change.shapes
    return {name: factor.shape for name, factor in change.factors.items()}
