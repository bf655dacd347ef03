"""The second reading: 1 where something personal is asked, 0 at unrelated prompts and in ordinary text."""

import pytest
import torch

from monogram.clusters.cluster import Phrasing
from monogram.clusters.expand import expand
from monogram.clusters.pool import Entry
from monogram.editors import detect, intent
from monogram.editors.intent import OWN, TEXT, Ground
from monogram.models.moments import moments
from monogram.preferences import Preference
from tests import tiny

POOL = tuple(
    Entry(owner, "ask", Phrasing(text, "contrast"))
    for owner, text in [
        ("pet", "What's my pet?"),
        ("pet", "Which animal lives with me?"),
        ("sport", "Which sport do I play?"),
        ("", "Why is the sky blue?"),
        ("", "Write a limerick about tax."),
    ]
)


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(intent, "pool", lambda: POOL)
    em = tiny.editable()
    return Ground(em, moments(em, 1))


def test_what_is_personal_is_one_ridge_over_all_groups(ground: Ground) -> None:
    cluster = expand(Preference("hobby", "Hiking"))
    found, own = ground.personal(cluster), ground._read(cluster.train)
    asked, nobodys = ground._pool[:3], ground._pool[3:]
    whole = detect.reading([(asked, 1.0), (own, OWN)], [(nobodys, 1.0), (ground.around.inputs, TEXT)])
    assert float((own @ found).mean()) == pytest.approx(1)
    torch.testing.assert_close(found * float((own @ whole).mean()), whole, rtol=1e-8, atol=1e-10)
    assert float((asked @ found).mean()) > 3 * float((nobodys @ found).mean().abs())
    assert float((ground.around.inputs.double() @ found).pow(2).mean().sqrt()) < 0.5


def test_an_attribute_of_their_own_words_is_personal_too(ground: Ground) -> None:
    cluster = expand(Preference("secret handshake", "two taps"))
    assert float((ground._read(cluster.train) @ ground.personal(cluster)).mean()) == pytest.approx(1)
