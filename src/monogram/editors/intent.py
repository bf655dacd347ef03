"""What an intent's detector is held against, read once for all clusters of an edit; and the detectors.

The ground is a model's alone: `x` at the pool's phrasings, at other answers' starts and in ordinary text, and
the constant that is 1 where an answer starts. It holds no target, so it serves every person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property

import torch
from torch import Tensor

from monogram.clusters.cluster import KINDS, Cluster, Phrasing
from monogram.clusters.pool import contrast_of, pool
from monogram.editors import detect
from monogram.editors.kept import numbers
from monogram.editors.keys import read_phrasings
from monogram.models.editable import EditableModel
from monogram.models.moments import Moments

FAR = 3.0
"""What unrelated prompts, and what other attributes' roundabout questions and recommendations count in a
detector, beside the 1 of nearer look-alikes (docs/log.md)."""
OWN, TEXT = 0.2, 3.0
"""What a cluster's own phrasings and ordinary text count in the reading of what is personal, beside the 1 of
the pool's phrasings and of its unrelated prompts."""


class Ground:
    """What detectors of one model and layer share. Reads nothing before it is asked."""

    def __init__(self, model: EditableModel, around: Moments) -> None:
        self.model = model
        self.around = around

    @cached_property
    def digest(self) -> str:
        """Of all that is shared: ordinary text, the pool, and what they count."""
        texts = json.dumps([asdict(entry.phrasing) for entry in pool()], sort_keys=True)
        read = numbers(self.around.inputs, self.around.starts)
        return hashlib.sha256(f"{FAR} {OWN} {TEXT} {texts}{read}".encode()).hexdigest()

    @cached_property
    def steady(self) -> Tensor:
        """(d,) the constant: 1 where an answer starts, whatever elsewhere."""
        return detect.reading([(self._starts, 1.0)])

    @cached_property
    def start(self) -> Tensor:
        """(d,) 1 where an answer starts, 0 in ordinary text."""
        return detect.reading([(self._starts, 1.0)], [(self.around.inputs, 1.0)])

    def personal(self, cluster: Cluster) -> Tensor:
        """(d,) 1 where something personal is asked, 0 at unrelated prompts and in ordinary text; scaled to a
        mean of 1 on the cluster's own phrasings.
        """
        own = self._read(cluster.train)
        shared, alone = self._shared, detect.sums([(own, OWN)])
        found = detect.solved(shared[0] + alone[0], shared[1] + alone[1])
        return found / (own @ found).mean().clamp(min=0.5)

    @cached_property
    def _shared(self) -> tuple[Tensor, Tensor]:
        """What `personal` makes of the pool and ordinary text."""
        somebodys = torch.tensor([bool(entry.owner) for entry in pool()], device=self._pool.device)
        zeros = [(self._pool[~somebodys], 1.0), (self.around.inputs, TEXT)]
        return detect.sums([(self._pool[somebodys], 1.0)], zeros)

    def places(self, cluster: Cluster) -> tuple[list[int], list[int], list[int]]:
        """Which of the pool's phrasings a cluster is held against, see `clusters.pool.contrast_of`."""
        return contrast_of(cluster)

    def detector(self, cluster: Cluster, *, strength: float, margin: float) -> Tensor:
        """(d,) the detector of a cluster's intent, see `detect.fit`."""
        asks, others, unrelated = self.places(cluster)
        alike = self._read(cluster.contrast) if cluster.contrast else self._pool[:0]
        train = dict(zip(cluster.train, self._read(cluster.train), strict=True)) if cluster.train else {}
        own = [torch.stack([train[p] for p in same]) for kind in KINDS if (same := cluster.of_kind(kind))]
        return detect.fit(
            own,
            [
                *((rows, 1.0) for rows in (alike, self._pool[asks], self.around.inputs.double())),
                *((self._pool[places], FAR) for places in (others, unrelated)),
            ],
            self.steady if self.model.layout.gated else self.start,
            strength=strength,
            margin=margin,
        )

    @cached_property
    def _pool(self) -> Tensor:
        return self._read([entry.phrasing for entry in pool()])

    @cached_property
    def _starts(self) -> Tensor:
        return torch.cat([self._pool, self.around.starts.double()])

    def _read(self, phrasings: Sequence[Phrasing]) -> Tensor:
        return read_phrasings(self.model, self.around.layer, phrasings).double()
