"""Read and replace activations for the length of a `with`.

    with capture(model, {"model.layers.3.mlp.down_proj": "input"}, stop=True) as seen:
        model(ids)
    seen["model.layers.3.mlp.down_proj"]       # (B, T, d_ff)

    with replaced(model, "model.layers.3.mlp", lambda y: y + r):
        model(ids)

The hooks come off in any case. A module that is not there, or that never ran, is an error, never an empty
result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal

from torch import Tensor, nn

from monogram.errors import LayerError, ModelError

Side = Literal["input", "output"]


class _Stop(Exception):
    """All that was wanted has been seen; ends the forward pass early. Never leaves `capture`."""


@contextmanager
def capture(model: Any, wanted: Mapping[str, Side], *, stop: bool = True) -> Iterator[dict[str, Tensor]]:
    """Record the first input or output tensor of named modules.

    Args:
        model: a model of `transformers`, or an `EditableModel`.
        wanted: full module name -> "input" or "output".
        stop: end the forward pass once everything wanted has been seen once. The forward call must then be
            the last statement of the `with`; nothing after it runs.

    Yields:
        A dict that fills as the modules run: name -> tensor, as it was, with its graph if gradients are on.
        A module that runs more than once leaves its last value.

    Raises:
        LayerError: a module is not there.
        ModelError: a module never ran.
    """
    modules = {name: submodule(model, name) for name in wanted}
    seen: dict[str, Tensor] = {}

    def note(name: str, value: Any) -> None:
        seen[name] = _first(value)
        if stop and len(seen) == len(modules):
            raise _Stop

    handles = []
    try:
        for name, module in modules.items():
            handles.append(_hook(module, name, wanted[name], note))
        with suppress(_Stop):
            yield seen
    finally:
        for handle in handles:
            handle.remove()
    if missing := [name for name in modules if name not in seen]:
        raise ModelError(
            f"Nothing was read from {', '.join(missing)}: the model did not run inside the `with`."
        )


@contextmanager
def replaced(
    model: Any, name: str, change: Callable[[Tensor], Tensor], *, side: Side = "output"
) -> Iterator[None]:
    """Pass the first output (or input) tensor of one module through `change` whenever the module runs.

    Raises:
        LayerError: the module is not there.
        ModelError: the module never ran.
    """
    module = submodule(model, name)
    ran = False

    def on_output(_module: nn.Module, _args: Any, output: Any) -> Any:
        nonlocal ran
        ran = True
        return _with_first(output, change)

    def on_input(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        nonlocal ran
        ran = True
        return (_with_first(args, change), kwargs) if args else (args, _with_first(kwargs, change))

    if side == "output":
        handle = module.register_forward_hook(on_output)
    else:
        handle = module.register_forward_pre_hook(on_input, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
    if not ran:
        raise ModelError(f"Nothing was replaced at {name}: the model did not run inside the `with`.")


@contextmanager
def running(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """For the length of the `with`, the module runs `forward` in place of what it would."""
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        del module.__dict__["forward"]
        if before is not None:
            module.__dict__["forward"] = before


def submodule(model: Any, name: str) -> nn.Module:
    """A module by its full name, from a `transformers` model or an `EditableModel`.

    Raises:
        LayerError: there is no module of that name.
    """
    hf: nn.Module = model if isinstance(model, nn.Module) else model.model
    try:
        return hf.get_submodule(name)
    except AttributeError:
        raise LayerError(f"Module '{name}' is not in this model ({type(hf).__name__}).") from None


def _hook(module: nn.Module, name: str, side: Side, note: Callable[[str, Any], None]) -> Any:
    def on_input(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        note(name, args or kwargs)

    def on_output(_module: nn.Module, _args: Any, output: Any) -> None:
        note(name, output)

    if side == "input":
        return module.register_forward_pre_hook(on_input, with_kwargs=True)
    return module.register_forward_hook(on_output)


def _first(value: Any) -> Tensor:
    """The first tensor of a module's input or output, which may be a tensor, a tuple or keywords."""
    if isinstance(value, Tensor):
        return value
    items = value.values() if isinstance(value, Mapping) else value
    return next(item for item in items if isinstance(item, Tensor))


def _with_first(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same value with its first tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    keys = list(value) if isinstance(value, Mapping) else list(range(len(value)))
    first = next(key for key in keys if isinstance(value[key], Tensor))
    if isinstance(value, Mapping):
        return {**value, first: change(value[first])}
    return tuple(change(item) if i == first else item for i, item in enumerate(value))
