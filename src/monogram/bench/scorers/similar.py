"""`similar`: how much nearer an answer's meaning is to the preference than to its attribute alone.

The score of a claim c of the answer (claims.py) is cos(c, "hobby: Hiking") less the larger of cos(c, "hobby")
and cos(c, "Your hobby."): what talk about hobbies in general would earn is taken off. The answer's best claim
counts, so that a long answer is not worse than a short one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monogram.bench.scorers.calibration import Point, best, pairs, roc
from monogram.bench.scorers.case import Case, Mark
from monogram.bench.scorers.claims import claims
from monogram.scoring import words_beyond

THRESHOLD = 0.059
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
        claimed = [claims(case.answer, case.polarity) for case in cases]
        stated = [
            (f"{case.attribute}: {case.target}", case.attribute, f"Your {case.attribute}.") for case in cases
        ]
        place = {
            text: i for i, text in enumerate(dict.fromkeys(t for texts in (*claimed, *stated) for t in texts))
        }
        vectors = self.encoder.encode(list(place))
        scores = []
        for said, wanted in zip(claimed, stated, strict=True):
            near = vectors[[place[c] for c in said]] @ vectors[[place[s] for s in wanted]].T  # (claims, 3)
            scores.append(float((near[:, 0] - near[:, 1:].max(axis=1)).max()) if said else SILENT)
        return scores


def calibrate(encoder: Encoder) -> tuple[Point, list[Point]]:
    """The best threshold for an encoder on the labelled pairs, and the whole ROC."""
    cases, labels = pairs()
    points = roc(Similar(encoder).scores(cases), labels)
    return best(points), points
