"""The one verb: preferences in, monogram out.

    monogram = compile_monogram(model, [Preference("hobby", "Hiking")])
    monogram.delta, monogram.receipt

The delta is a pure function of the model, the editor with its settings, and the *set* of preferences
(docs/promises.md §2). An edit is checked before it is kept: one that harms is tried gentler, then refused,
and nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monogram.clusters.expand import expand_all
from monogram.delta import Delta
from monogram.editors.base import Edit, Editor, Progress
from monogram.editors.registry import editor as editor_named
from monogram.errors import EditRefusedError, InputError
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.receipt import Limits, Receipt, probe

GENTLER: tuple[dict[str, Any], ...] = ({}, {"threshold": -0.15}, {"threshold": -0.3})
"""What is tried, one after the other, for editors that have such a setting."""


@dataclass(frozen=True)
class Monogram:
    """One version of one person's delta, with its preferences and its receipt.

    Attributes:
        preferences: the set it stands for, in the order of their digests.
        delta: the change of weights.
        editor: the editor's name; settings: its configuration, as text.
        base_digest: digest of the model it is for.
        receipt: what was measured; None where that was switched off.
    """

    preferences: tuple[Preference, ...]
    delta: Delta
    editor: str
    settings: str
    base_digest: str
    receipt: Receipt | None = None

    @property
    def digest(self) -> str:
        """Digest of the delta."""
        return self.delta.digest

    @property
    def settings_digest(self) -> str:
        """sha256 of the editor's name and settings."""
        return hashlib.sha256(f"{self.editor} {self.settings}".encode()).hexdigest()


def compile_monogram(
    model: EditableModel,
    preferences: Sequence[Preference],
    *,
    editor: str = "neuron",
    avoid: Iterable[str] = (),
    check: bool = True,
    limits: Limits | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Monogram:
    """Compile a person's preferences into a delta for `model`, which is left as it is.

    Args:
        preferences: the set; order does not matter.
        editor: which editor, by name.
        avoid: questions that are going to be evaluated; phrasings that (nearly) equal one don't train.
        check: measure a receipt, and refuse an edit that harms.
        limits: what counts as harm.
        settings: of the editor.

    Raises:
        UnknownNameError: no such editor.
        InputError: no preferences, or one twice.
        EditRefusedError: the edit harms, and gentler ones too; carries the last receipt.
    """
    ordered = tuple(sorted(preferences, key=lambda p: p.digest))
    if not ordered or len({p.digest for p in ordered}) < len(ordered):
        raise InputError(f"{len(ordered)} preferences were given; give at least one, and none twice.")
    made = editor_named(editor, **settings)
    asked = tuple(avoid)
    clusters = expand_all(ordered)
    if asked:
        clusters = [c.without(asked) for c in clusters]
    receipt = None
    for gentler in GENTLER:
        trial = _gentler(made, gentler)
        if trial is None:
            break
        edit: Edit = trial.edit(model, clusters, progress=progress)
        done = Monogram(ordered, edit.delta, editor, repr(trial.config), model.digest)
        if not check:
            return done
        receipt, harm = probe(
            model, clusters, edit.delta, edit.details, limits=limits or Limits(), progress=progress
        )
        if not harm:
            return replace(done, receipt=receipt)
    what = ", ".join(f"{p.attribute} '{p.target}'" for p in ordered[:3]) + ("..." if len(ordered) > 3 else "")
    raise EditRefusedError(
        f"The edit for {what} was refused, nothing was changed: {'; '.join(harm)}. "
        "Say it differently, or leave one preference out.",
        receipt,
    )


def _gentler(editor: Editor, change: dict[str, Any]) -> Editor | None:
    """The same editor with gentler settings; None where it has no such setting."""
    if not change:
        return editor
    if any(not hasattr(editor.config, name) for name in change):
        return None
    kind: Any = type(editor)
    made: Editor = kind(
        replace(editor.config, **{k: getattr(editor.config, k) + v for k, v in change.items()})
    )
    return made
