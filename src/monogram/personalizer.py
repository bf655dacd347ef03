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

from monogram.carry import Last, carried, fired
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand_all
from monogram.delta import Delta
from monogram.drift import drift
from monogram.editors.base import Editor, Progress, edit_with
from monogram.editors.chosen import editor_for
from monogram.editors.kept import Keep, Memory
from monogram.errors import EditRefusedError, InputError
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.probing import probe
from monogram.receipt import Limits, Probed, Receipt, drift_harm

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
    keep: Keep | None = None,
    last: Last | None = None,
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
        keep: where the person's artefacts are kept: what is costly is found for clusters that are new, or
            joined anew; the delta is the same to the bit with and without.
        last: the person's version before this one, whose figures are carried over where they still hold
            (`carry.py`); without it everything is measured.
        settings: of the editor; by default those that were found for the model (`editors/chosen.py`).

    Raises:
        UnknownNameError: no such editor.
        InputError: no preferences, or one twice.
        EditRefusedError: the edit harms, and gentler ones too; carries the last receipt.
    """
    ordered = _ordered(preferences)
    if not ordered or len({p.digest for p in ordered}) < len(ordered):
        raise InputError(f"{len(ordered)} preferences were given; give at least one, and none twice.")
    trials = tries(editor_for(model, editor, **settings))
    asked, memory = tuple(avoid), Memory(keep)
    clusters = _clusters(ordered, asked)
    bounds = limits or Limits()
    for trial in trials:
        edit = edit_with(trial, model, clusters, progress=progress, keep=memory)
        done = Monogram(ordered, edit.delta, editor, repr(trial.config), model.digest)
        if not check:
            return done
        drifted = drift(model, edit.delta)
        if trial is not trials[-1] and drift_harm(*drifted, bounds.of(len(clusters))):
            continue  # no need to ask anything
        told: dict[str, Probed] = {}
        before = last.receipt(model.digest, editor, done.settings) if last is not None else None
        if last is not None and before is not None:
            then = _clusters(_ordered(last.preferences), asked)
            told = carried(model, trial, clusters, then, before, last.version.number, memory)
        receipt, harm = probe(
            model,
            clusters,
            edit.delta,
            edit.details,
            limits=bounds,
            fired=fired(model, trial, clusters, memory),
            carried=told,
            drifted=drifted,
            progress=progress,
        )
        if not harm:
            return replace(done, receipt=receipt)
    what = ", ".join(f"{p.attribute} '{p.target}'" for p in ordered[:3]) + ("..." if len(ordered) > 3 else "")
    raise EditRefusedError(
        f"The edit for {what} was refused, nothing was changed: {'; '.join(harm)}. "
        "Say it differently, or leave one preference out.",
        receipt,
    )


def tries(made: Editor) -> list[Editor]:
    """What is tried, one after the other, until an edit does no harm: the editor, then gentler ones."""
    return [trial for gentler in GENTLER if (trial := _gentler(made, gentler)) is not None]


def _ordered(preferences: Iterable[Preference]) -> tuple[Preference, ...]:
    return tuple(sorted(preferences, key=lambda p: p.digest))


def _clusters(ordered: Sequence[Preference], asked: Sequence[str]) -> list[Cluster]:
    clusters = expand_all(ordered)
    return [c.without(asked) for c in clusters] if asked else clusters


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
