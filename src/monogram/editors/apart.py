"""Tell a person's preferences apart: each one's detector is held against what the others are asked with.

A detector that was found as if alone has never seen them, and fires at some by half (docs/log.md). Beside the
ground's negatives come two groups for each other cluster, its asks and its other phrasings, in the order of
digests; what two clusters share is left out (`clusters.pool.apart`). The fit begins at the lone detector, so
it takes a few of Newton's steps, and hangs on the set alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.editors.base import Progress
from monogram.editors.kept import Keep, Tensors, once

Detect = Callable[..., Tensor]
"""`Ground.detector` with its settings: takes a cluster, and by name `beside` and `start`."""


def told_apart(
    detect: Detect,
    clusters: Sequence[Cluster],
    parts: Sequence[Tensors],
    names: Sequence[str],
    *,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> list[Tensors]:
    """What was found for each of a person's clusters as if alone, with another `detector`.

    Args:
        names: of all that decided each part, see `kept.address`.
        keep: a `Memory` holds the detectors of a set while it lives; they are kept nowhere else.
    """
    if len(clusters) < 2:
        return list(parts)
    order = sorted(range(len(clusters)), key=lambda i: clusters[i].preference.digest)
    told = list[Tensors]()
    for one, found in enumerate(parts):
        if progress is not None:
            progress("telling preferences apart", one, len(parts))
        others = [i for i in order if i != one]
        name = " ".join(names[i] for i in (one, *others))
        beside = [clusters[i] for i in others]
        told.append(once(keep, name, partial(_against, detect, clusters[one], beside, found)))
    return told


def _against(detect: Detect, cluster: Cluster, beside: Sequence[Cluster], found: Tensors) -> Tensors:
    return {**found, "detector": detect(cluster, beside=beside, start=found["detector"])}
