"""A small cluster, for tests of editors: three phrasings that train, two that must not change."""

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.preferences import Preference


def cluster(attribute: str = "hobby", target: str = "Hiking") -> Cluster:
    train = (
        Phrasing(f"What's my {attribute}?", "ask"),
        Phrasing(f"my {attribute}?", "ask", system="Be brief."),
        Phrasing(f"What goes with my {attribute}?", "recommend"),
    )
    contrast = (
        Phrasing(f"What's Bob's {attribute}?", "contrast"),
        Phrasing(f"Define {attribute}.", "contrast"),
    )
    return Cluster(Preference(attribute, target), train, (), contrast, (), f"It is {target}.")
