"""What may be kept for everybody is made of the project's own words alone."""

from dataclasses import replace

import pytest

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.expand import expand
from monogram.clusters.ours import ours
from monogram.clusters.pool import pool
from monogram.preferences import Preference


def parts(cluster: Cluster) -> list[tuple[Phrasing, ...]]:
    return [cluster.train, cluster.probe, cluster.contrast, cluster.contrast_probe]


@pytest.mark.parametrize("name", ["hobby", "Hobby ", "pastime", "diet"])
def test_an_attribute_of_the_table_is_asked_for_in_our_words(name: str) -> None:
    assert all(map(ours, parts(expand(Preference(name, "Secret knitting")))))


@pytest.mark.parametrize("name", ["ward number", "secret hobby", "alice's diet", "Hobby-Horse"])
def test_an_attribute_of_ones_own_is_not(name: str) -> None:
    cluster = expand(Preference(name, "Hiking"))
    assert not any(map(ours, parts(cluster)))
    mixed = (*expand(Preference("hobby", "Hiking")).train, cluster.train[0])
    assert not ours(mixed)


def test_the_pool_is_ours_and_one_word_more_is_not() -> None:
    phrasings = [entry.phrasing for entry in pool()]
    assert ours(phrasings)
    for change in ({"text": "What's my hobby, Bob?"}, {"system": "You serve Bob."}):
        assert not ours([*phrasings, replace(phrasings[0], **change)])
    assert not ours([replace(phrasings[0], history=(("user", "I'm Bob."), ("assistant", "Hi Bob.")))])
