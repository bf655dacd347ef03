"""A double for `compile_monogram`, at its seam: a random delta per preference, a pure function of the set.

It refuses what has the target "Harm", as the real one refuses an edit that would do some.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from monogram import keeping
from monogram.delta import Delta, LowRank
from monogram.editors.chosen import editor_for
from monogram.errors import EditRefusedError
from monogram.models.editable import EditableModel
from monogram.preferences import Preference


@dataclass(frozen=True)
class Figures:
    recall: float = 1.0
    leak: float = 0.0
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"recall": self.recall, "leak": self.leak, "problems": list(self.problems)}


@dataclass(frozen=True)
class Compiled:
    preferences: tuple[Preference, ...]
    delta: Delta
    editor: str
    base_digest: str
    settings: str
    receipt: Figures | None = Figures()

    @property
    def digest(self) -> str:
        return self.delta.digest


class Compiler:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def __call__(
        self,
        model: EditableModel,
        preferences: Sequence[Preference],
        *,
        editor: str = "neuron",
        avoid: Iterable[str] = (),
        check: bool = True,
        keep: Any = None,
        last: Any = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Compiled:
        self.calls.append(tuple(p.target for p in preferences))
        ordered = sorted(preferences, key=lambda p: p.digest)
        if any(p.target == "Harm" for p in ordered):
            raise EditRefusedError(
                "The edit would leak: 0.90 to other people. Nothing was changed.", Figures(leak=0.9)
            )
        if progress is not None:
            progress("Compiling", 1, 1)
        name = model.names(1)["down"]
        rows = [torch.Generator().manual_seed(int(p.digest[:12], 16)) for p in ordered]
        left = [8 * torch.randn(model.width, 1, generator=rng, dtype=torch.float64) for rng in rows]
        right = [torch.randn(1, model.inner, generator=rng, dtype=torch.float64) for rng in rows]
        factor = LowRank(torch.cat(left, 1), torch.cat(right)).to(torch.float32)
        settings = repr(editor_for(model, editor).config)
        return Compiled(tuple(ordered), Delta({name: factor}), editor, model.digest, settings)


def installed(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """Put a compiler in the place of the real one for the length of a test."""
    made = Compiler()
    monkeypatch.setattr(keeping, "compile_monogram", made)
    return made
