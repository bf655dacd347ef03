"""What an intent's detector is held against, read once for all clusters of an edit; and the detectors.

The ground is a model's alone: `x` at the pool's phrasings, at other answers' starts and in ordinary text, and
the constants that are 1 where an answer starts. It holds no target, so it serves every person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache, cached_property, partial

import torch
from torch import Tensor

from monogram.clusters.cluster import KINDS, Cluster, Phrasing
from monogram.clusters.pool import apart, contrast_of, pool
from monogram.editors import detect
from monogram.editors.kept import numbers
from monogram.editors.keys import read_phrasings
from monogram.models.editable import EditableModel
from monogram.models.moments import Samples

Read = Callable[[tuple[Phrasing, ...]], Tensor]
"""Phrasings to what the MLP sees where their answers start, (n, d)."""

UNRELATED = 3.0
"""What unrelated prompts count in a detector, beside the 1 of other look-alikes (docs/log.md)."""
TEXT = 0.3
"""What ordinary text counts where a second row of the neuron tells the answer's start; else it counts 1."""
FALL = 2.0
"""How far a detector falls in ordinary text, in units of its 1; there the start row is 0 on average alone."""
STILL = 100.0
"""What answers' starts count in that: beside 1 of text, so that it moves nothing there."""
FREER = 3.0
"""How much less a detector is held back beside others: it has more to tell apart (docs/log.md)."""
SIBLING = 0.08
"""What each of two groups of a person's other cluster counts at least; together they count 2 of few."""


@cache
def _texts() -> str:
    """All that is in the pool, as text."""
    return json.dumps([asdict(entry.phrasing) for entry in pool()], sort_keys=True)


class Ground:
    """What detectors of one model and layer share. Reads nothing before it is asked."""

    def __init__(self, model: EditableModel, around: Samples, read: Read | None = None) -> None:
        self.model = model
        self.around = around
        # once: all of a person's detectors look at the same phrasings
        self._reads = cache(partial(read_phrasings, model, around.layer)) if read is None else read

    @cached_property
    def digest(self) -> str:
        """Of all that is shared: ordinary text, the pool, and what they count."""
        read = numbers(self.around.inputs, self.around.starts)
        return hashlib.sha256(f"{UNRELATED} {TEXT} {FALL} {STILL} {_texts()}{read}".encode()).hexdigest()

    @cached_property
    def steady(self) -> Tensor:
        """(d,) the constant: 1 where an answer starts, whatever elsewhere."""
        return detect.constant(self._starts)

    @cached_property
    def start(self) -> Tensor:
        """(d,) 1 where an answer starts, 0 in ordinary text."""
        return detect.constant(self._starts, self.around.inputs)

    @cached_property
    def fall(self) -> Tensor:
        """(d,) 0 where an answer starts, as exactly as can be, about −`FALL` in ordinary text."""
        return -FALL * detect.constant(self.around.inputs, self._starts, weight=STILL)

    def places(self, cluster: Cluster) -> tuple[list[int], list[int], list[int]]:
        """Which of the pool's phrasings a cluster is held against, see `clusters.pool.contrast_of`."""
        return contrast_of(cluster)

    def detector(
        self,
        cluster: Cluster,
        *,
        strength: float,
        margin: float,
        beside: Sequence[Cluster] = (),
        start: Tensor | None = None,
    ) -> Tensor:
        """(d,) the detector of a cluster's intent, see `detect.fit`.

        Args:
            beside: the person's other clusters: what they are asked with must not fire it.
            start: the detector without them.
        """
        asks, others, unrelated = self.places(cluster)
        gated = self.model.layout.gated
        train = self._read(cluster.train)
        own = [train[[p.kind == kind for p in cluster.train]] for kind in KINDS if cluster.of_kind(kind)]
        alike = self._read(cluster.contrast)
        contrast = [alike[[p.kind == kind for p in cluster.contrast]] for kind in ("contrast", "definition")]
        siblings = [
            (self._read(other.train)[places], max(1 / len(beside), SIBLING))
            for other in beside
            for places in apart(cluster, other)
        ]
        return detect.fit(
            own,
            [
                *((x, 1.0) for x in (*contrast, self._pool[asks], self._pool[others])),
                (self._pool[unrelated], UNRELATED),
                *siblings,
            ],
            self.steady if gated else self.start,
            strength=FREER * strength if beside else strength,
            margin=margin,
            text=(self.around.inputs, TEXT if gated else 1.0),
            fall=self.fall,
            start=start,
        )

    @cached_property
    def _pool(self) -> Tensor:
        return self._read(tuple(entry.phrasing for entry in pool()))

    @cached_property
    def _starts(self) -> Tensor:
        return torch.cat([self._pool, self.around.starts.double()])

    def _read(self, phrasings: tuple[Phrasing, ...]) -> Tensor:
        """What is read of phrasings, (n, d); n may be 0."""
        return self._reads(phrasings).double() if phrasings else self._pool[:0]
