"""Which phrasings are the project's own: made of the attribute table and the corpus, of nobody's words.

What is read of them may be kept for everybody, and outlives any erasure. A phrasing of an attribute that the
table does not have holds the words of whoever named it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import chain

from monogram.clusters.cluster import Phrasing
from monogram.clusters.expand import expand
from monogram.clusters.pool import pool
from monogram.clusters.table import table
from monogram.preferences import Preference


def ours(phrasings: Iterable[Phrasing]) -> bool:
    """Whether all of them are the project's own."""
    return _all().issuperset((p.text, p.history, p.system) for p in phrasings)


@cache
def _all() -> frozenset[tuple[object, ...]]:
    """What every name of the table and the pool give. Immutable, made once: it takes a second."""
    names = [name for attribute in table() for name in attribute.all_names]
    clusters = (expand(Preference(name, "x")) for name in names)
    parts = ((c.train, c.probe, c.contrast, c.contrast_probe) for c in clusters)
    made = chain.from_iterable(chain.from_iterable(parts))
    return frozenset((p.text, p.history, p.system) for p in (*made, *(e.phrasing for e in pool())))
