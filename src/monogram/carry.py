"""Carry figures over: what the last receipt measured, and this change cannot have touched.

A change among fifty preferences hardly moves the others. Asking for all of them again would be most of its
cost, so questions are read instead: where an answer starts, each detector says how far it fires
(`editors.base.Reads`), and that needs no answer. Where at all questions of a kind each detector, those that
came or went too, fires as far as it did before, the answers to these begin as they did, and what was counted
then is carried over with the version it was counted at. Where one moved, that kind is asked again. So it is
with recall and advice, of clusters that are the same to the letter, with the same model, editor and settings
(a gentler try is another setting). Nothing that decides what is kept is carried over: leaks, crosstalk and
drift are measured on the whole delta, each time.

What is not seen this way: a detector that fires while an answer is being written, or a neuron that another
one now takes the place of and that was needed. Drift would show either. Editors that cannot be read this way
are probed from the beginning, and so is a person whose artefacts are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.editors.base import Reads
from monogram.editors.kept import Keep
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.probing import QUIET, content
from monogram.receipt import Probed, Receipt
from monogram.store.ledger import Version, set_digest


@dataclass(frozen=True)
class Last:
    """A person's version before a change, and the preferences it stands for."""

    version: Version
    preferences: tuple[Preference, ...]

    def receipt(self, base_digest: str, editor: str, settings: str) -> Receipt | None:
        """Its receipt; None where it was made with something else, or has none that can be read."""
        made = (self.version.base_digest, self.version.editor, self.version.settings)
        if made != (base_digest, editor, settings) or self.version.receipt is None:
            return None
        if set_digest(self.preferences) != self.version.preferences_digest:
            return None
        try:
            return Receipt.from_dict(self.version.receipt)
        except (LookupError, TypeError, AttributeError):
            return None


def carried(
    model: EditableModel,
    editor: object,
    clusters: Sequence[Cluster],
    before: Sequence[Cluster],
    receipt: Receipt,
    number: int,
    keep: Keep,
) -> dict[str, Probed]:
    """What `probing.probe` need not ask, by the clusters' content.

    Args:
        editor: the one that has just made the edit, and kept what it found.
        clusters: of the person now; before: of the last version.
        receipt, number: the last version's.
        keep: where the editor keeps what it finds.
    """
    parts = {part.content: part for part in receipt.per_preference}
    now, then = {content(c): c for c in clusters}, {content(c): c for c in before}
    same = {digest: c for digest, c in now.items() if digest in then and digest in parts}
    probes = [c.probe for c in same.values()]
    hear, heard = (_readings(model, editor, list(who.values()), probes, keep) for who in (now, then))
    if hear is None or heard is None:
        return {}
    found = {}
    for (digest, cluster), rows, were in zip(same.items(), hear, heard, strict=True):
        moved = _moved(dict(zip(now, rows.T, strict=True)), dict(zip(then, were.T, strict=True)))
        loud = {p.kind for p, far in zip(cluster.probe, moved, strict=True) if far > QUIET}
        tallies = {
            kind: replace(tally, version=number if tally.version is None else tally.version)
            for kind, tally in parts[digest].tallies.items()
            if kind not in {*loud, "leak"}
        }
        found[digest] = replace(parts[digest], tallies=tallies)
    return found


def fired(
    model: EditableModel, editor: object, clusters: Sequence[Cluster], keep: Keep
) -> dict[str, list[float]] | None:
    """By a cluster's content, how far the loudest of all detectors fires at its questions about others; None
    where the editor cannot be read.
    """
    heard = _readings(model, editor, clusters, [c.contrast_probe for c in clusters], keep)
    if heard is None:
        return None
    return {content(c): rows.amax(1).tolist() for c, rows in zip(clusters, heard, strict=True)}


def _moved(now: Mapping[str, Tensor], then: Mapping[str, Tensor]) -> list[float]:
    """For each question, how far the detector that moved most did; one that is not there reads 0."""
    none = torch.zeros(())
    gaps = [now.get(digest, none) - then.get(digest, none) for digest in {**now, **then}]
    far: list[float] = torch.stack(gaps).abs().amax(0).tolist()
    return far


def _readings(
    model: EditableModel,
    editor: object,
    clusters: Sequence[Cluster],
    groups: Sequence[Sequence[Phrasing]],
    keep: Keep,
) -> list[Tensor] | None:
    if not isinstance(editor, Reads) or not all(groups):
        return None
    return editor.readings(model, clusters, groups, keep)
