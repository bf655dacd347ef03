"""Put deltas and patches on the rows of a batch, and take them off; or merge a delta into a copy.

    with attach(model, [alice, None, bob]):
        model(ids)                      # ids (3, T): row 0 is alice's, row 1 the base model's, row 2 bob's

Forward hooks add `left (right x)` to the output of each edited matrix, for the rows that own it and no
others: a row without a delta is computed exactly as on the base model. A `Patch` says itself what its rows
put out instead. Weights are never written.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from monogram.delta import Delta
from monogram.errors import InputError, ModelError
from monogram.lowrank import LowRank
from monogram.models.layout import sizes
from monogram.models.trace import submodule
from monogram.patch import Attachable, Patch, shapes_of


class Attached:
    """What is on a model now. `select` follows a batch whose rows leave or change places."""

    def __init__(
        self, modules: dict[str, nn.Module], deltas: Attachable | Sequence[Attachable | None]
    ) -> None:
        self._modules = modules
        self._everywhere = deltas if isinstance(deltas, Attachable) else None
        self._rows: list[Attachable | None] = [] if isinstance(deltas, Attachable) else list(deltas)
        self._stacks: dict[str, _Stack] = {}
        self._patches: dict[str, list[tuple[Patch, Tensor]]] = {}
        self._stack()

    def select(self, rows: Sequence[int]) -> None:
        """From now on, row i of the batch is what was row `rows[i]`. What is on all rows stays on all."""
        if self._everywhere is None:
            self._rows = [self._rows[row] for row in rows]
            self._stack()

    def _stack(self) -> None:
        if isinstance(self._everywhere, Patch):
            return
        if self._everywhere is not None:
            factors = self._everywhere.factors
            self._stacks = {name: _shared(factors[name], m) for name, m in self._modules.items()}
            return
        for name, module in self._modules.items():
            owners = {
                b: d.factors[name]
                for b, d in enumerate(self._rows)
                if isinstance(d, Delta) and name in d.factors
            }
            self._stacks[name] = _by_row(owners, module)
            self._patches[name] = _patched(self._rows, name, module)

    def add(self, name: str, x: Tensor, out: Tensor) -> Tensor:
        """The output of module `name` for the input x (B, T, d_in), with each row's own change."""
        if isinstance(self._everywhere, Patch):
            return self._everywhere.changed(name, x, out)
        stack = self._stacks[name]
        if self._everywhere is None:
            if x.dim() != 3:
                raise ModelError(
                    f"Module '{name}' sees its input flattened to {tuple(x.shape)}, so rows cannot be told "
                    "apart; attach one delta to the whole batch."
                )
            if x.shape[0] != len(self._rows):
                raise InputError(
                    f"{len(self._rows)} deltas are attached, one per row, but the batch has {x.shape[0]} "
                    "rows. Give as many deltas as rows; None stands for the base model."
                )
        for patch, rows in self._patches.get(name, ()):
            out = out.index_copy(0, rows, patch.changed(name, x[rows], out[rows]))
        if stack.left.shape[-1] == 0:
            return out
        if stack.rows is None:
            return out + stack.change(x, out.dtype)
        return out.index_add(0, stack.rows, stack.change(x[stack.rows], out.dtype))


class _Stack:
    """Factors of one module: left (d_out, r), right (r, d_in); for n rows (n, d_out, r), (n, r, d_in)."""

    def __init__(self, left: Tensor, right: Tensor, rows: Tensor | None) -> None:
        self.left, self.right, self.rows = left, right, rows

    def change(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        inner = x.to(self.right.dtype) @ self.right.transpose(-1, -2)  # (n, T, r)
        return (inner @ self.left.transpose(-1, -2)).to(dtype)


@contextmanager
def attach(model: Any, deltas: Attachable | Sequence[Attachable | None] | None) -> Iterator[Attached]:
    """Attach deltas, or patches, for the length of a `with`.

    Args:
        model: a causal LM of `transformers`, or an `EditableModel`.
        deltas: one for every row of every batch, or one per row (None for the base model). They may differ in
            kind, in rank and in the modules they edit.

    Yields:
        An `Attached`, for batches that lose rows on the way.

    Raises:
        LayerError: a delta edits a module that is not there.
        InputError: a delta's shape does not fit its module; or (in the forward pass) the batch has another
            number of rows than there are deltas.
    """
    rows = [deltas] if isinstance(deltas, Attachable) else list(deltas or [])
    modules: dict[str, nn.Module] = {}
    for one in {id(d): d for d in rows if d is not None}.values():
        for name, shape in shapes_of(one).items():
            modules[name] = _checked(model, name, shape)
    if deltas is None:
        deltas = Delta.zero()
    attached = Attached(modules, deltas)
    handles = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_hook(_hook(attached, name)))
        yield attached
    finally:
        for handle in handles:
            handle.remove()


def merge(model: Any, delta: Delta) -> Any:
    """A copy of the model with the delta added to its weights: summed in float64 and rounded once.

    Args:
        model: a causal LM of `transformers`, or an `EditableModel`; it stays as it is.
        delta: what to add.

    Returns:
        A model of `transformers`, of the same class and type.

    Raises:
        LayerError, InputError: as `attach`.
    """
    for name, shape in shapes_of(delta).items():
        _checked(model, name, shape)
    merged = copy.deepcopy(model if isinstance(model, nn.Module) else model.model)
    with torch.no_grad():
        for name, factor in delta.factors.items():
            module = submodule(merged, name)
            weight = cast(Tensor, module.weight)
            change = factor.to(torch.float64, weight.device).dense()
            change = change.T if isinstance(module, Conv1D) else change
            weight.copy_((weight.double() + change).to(weight.dtype))
    return merged


def _checked(model: Any, name: str, wanted: tuple[int, int]) -> nn.Module:
    module = submodule(model, name)
    shape = sizes(module)
    if shape != wanted:
        what = f"is {shape}" if shape else f"is a {type(module).__name__}, no matrix"
        raise InputError(
            f"The delta changes '{name}' by a matrix of shape {wanted}, but the module {what} "
            "(outputs, inputs). It was made for another model."
        )
    return module


def _hook(attached: Attached, name: str) -> Any:
    def add(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return attached.add(name, args[0], output)

    return add


def _prepared(factor: LowRank, module: nn.Module) -> LowRank:
    """In the weight's type and place; half precision is computed in float32 and rounded once, on adding."""
    weight = cast(Tensor, module.weight)
    return factor.to(torch.promote_types(weight.dtype, torch.float32), weight.device)


def _shared(factor: LowRank, module: nn.Module) -> _Stack:
    ready = _prepared(factor, module)
    return _Stack(ready.left, ready.right, None)


def _patched(rows: Sequence[Attachable | None], name: str, module: nn.Module) -> list[tuple[Patch, Tensor]]:
    """The patches that change a module's output, each with its rows."""
    places: dict[int, tuple[Patch, list[int]]] = {}
    for b, one in enumerate(rows):
        if isinstance(one, Patch) and name in one.shapes:
            places.setdefault(id(one), (one, []))[1].append(b)
    device = cast(Tensor, module.weight).device
    return [(patch, torch.tensor(places, device=device)) for patch, places in places.values()]


def _by_row(owners: dict[int, LowRank], module: nn.Module) -> _Stack:
    """The factors of the rows that have one, padded with zeros to one rank and stacked."""
    if not owners:
        return _Stack(torch.empty(0, 0, 0), torch.empty(0, 0, 0), None)
    rank = max(factor.rank for factor in owners.values())
    once = {id(f): _prepared(f.padded(rank), module) for f in owners.values()}
    ready = [once[id(f)] for f in owners.values()]
    rows = torch.tensor(list(owners), device=ready[0].left.device)
    return _Stack(torch.stack([f.left for f in ready]), torch.stack([f.right for f in ready]), rows)
