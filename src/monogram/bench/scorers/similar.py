"""`similar`: how much nearer an answer's meaning is to the preference than to anything else of its attribute.

The score of a claim c of the answer (claims.py) is cos(c, "hobby: Hiking") less the largest cosine of c with
a rival: "hobby", "Your hobby.", and "hobby: Pottery" and the like from the attribute table. What talk about
hobbies in general would earn is taken off so, and what another hobby earns. The answer's best claim counts:
a long answer is not worse than a short one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monogram.bench.scorers.calibration import Point, best, pairs, roc
from monogram.bench.scorers.case import Case, Mark
from monogram.bench.scorers.claims import claims
from monogram.clusters.table import table
from monogram.scoring import words_beyond
from monogram.words import content

THRESHOLD = 0.014
"""Score from which on an answer says it: `calibrate` with all-MiniLM-L6-v2 (docs/evaluation.md §4)."""
SILENT = -1.0
"""The score of an answer that claims nothing."""


class Encoder(Protocol):
    """Sentences as vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, width) vectors of length 1."""


class Similar:
    """The scorer.

    Args:
        encoder: what makes the vectors.
        threshold: score from which on an answer says it; another encoder needs one of its own (`calibrate`).
    """

    name = "similar"

    def __init__(self, encoder: Encoder, threshold: float = THRESHOLD) -> None:
        self.encoder = encoder
        self.threshold = threshold

    def __call__(self, cases: Sequence[Case]) -> list[Mark]:
        """A mark for each; at length, the answer needs words beyond the target."""
        return [
            score >= self.threshold and words_beyond(case.target, case.answer) >= case.beyond
            for case, score in zip(cases, self.scores(cases), strict=True)
        ]

    def scores(self, cases: Sequence[Case]) -> list[float]:
        """The score of each, from -1 to 1. Every text is encoded once."""
        claimed = [claims(case.answer, case.target, case.polarity) for case in cases]
        stated = [(f"{case.attribute}: {case.target}", *rivals(case)) for case in cases]
        texts = list(dict.fromkeys(text for some in (*claimed, *stated) for text in some))
        place = {text: row for row, text in enumerate(texts)}
        vectors = self.encoder.encode(texts)
        scores = []
        for said, about in zip(claimed, stated, strict=True):
            near = vectors[[place[text] for text in said]] @ vectors[[place[text] for text in about]].T
            scores.append(float((near[:, 0] - near[:, 1:].max(axis=1)).max()) if said else SILENT)
        return scores


def rivals(case: Case) -> list[str]:
    """What a claim must be farther from than from the preference."""
    known, own = table().find(case.attribute), set(content(case.target))
    others = [one for one in known.examples if own.isdisjoint(content(one))] if known is not None else []
    return [case.attribute, f"Your {case.attribute}.", *(f"{case.attribute}: {other}" for other in others)]


def calibrate(encoder: Encoder) -> tuple[Point, list[Point]]:
    """The best threshold for an encoder on the labelled pairs, and the whole ROC."""
    cases, labels = pairs()
    points = roc(Similar(encoder).scores(cases), labels)
    return best(points), points
