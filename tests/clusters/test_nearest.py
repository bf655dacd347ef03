"""With embeddings: what rules are sure of stays, what they guess goes to the nearest attribute."""

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from monogram.clusters.nearest import SAME, Nearest, statements
from monogram.clusters.rules import Rules
from monogram.clusters.table import table
from monogram.models.sentences import SentenceEncoder
from monogram.models.sources import info
from monogram.words import content
from tests.clusters import labels


class Bag:
    """An encoder without a network: words hashed to places, so that texts with the same words are near."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += texts
        rows = np.full((len(texts), 4096), 1e-6, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in content(text):
                row[zlib.crc32(word.encode()) % 4096] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def nearest() -> Nearest:
    return Nearest(Bag())


def test_what_rules_are_sure_of_is_not_asked_again(nearest: Nearest) -> None:
    text = "I'm a nurse, I love pizza and I live in Oslo."
    assert nearest.read([text]) == Rules().read([text])


def test_a_guess_goes_to_the_nearest_attribute(nearest: Nearest) -> None:
    (guessed,) = Rules().read(["I love a houseboat flat cottage."])
    (told,) = nearest.read(["I love a houseboat flat cottage."])
    assert guessed.attribute == "hobby"
    assert told.attribute != "hobby"
    assert (told.target, told.polarity) == (guessed.target, guessed.polarity)


def test_a_guess_stays_where_nothing_is_near(nearest: Nearest) -> None:
    odd = ["I love quixotic zorbing with xylitol tubas beside Wagga Wagga."]
    assert nearest.read(odd) == Rules().read(odd) != ()


def test_a_statement_without_a_form_is_taken_where_one_is_near(nearest: Nearest) -> None:
    assert Rules().read(["I sport red curly hair."]) == ()
    (told,) = nearest.read(["I sport red curly hair."])
    assert (told.attribute, told.target, told.polarity) == ("appearance", "sporting red curly hair", "fact")
    assert nearest.read(["I sport quixotic zorbing xylitol tubas."]) == ()


@pytest.mark.parametrize(
    "text", ["My sister is a nurse.", "I am hungry.", "Do I love tea?", "I had a cat.", "I cannot swim.", ""]
)
def test_what_does_not_last_or_is_of_others_is_left_alone(nearest: Nearest, text: str) -> None:
    assert nearest.read([text]) == ()


def test_the_attributes_are_read_once(nearest: Nearest) -> None:
    bag = Bag()
    reader = Nearest(bag)
    for _ in range(2):
        reader.read(["I love zorbing."])
    assert len(bag.read) == 2 + sum(len(statements(a)) for a in table())


def test_every_attribute_has_statements_in_the_first_person() -> None:
    for a in table():
        told = statements(a)
        assert len(told) >= 2, a.name
        assert not any(word in f" {t.lower()} " for t in told for word in (" you ", " your ")), a.name


def test_the_same_is_what_is_near_enough(nearest: Nearest) -> None:
    assert nearest.same("hiking boots", "boots hiking")
    assert not nearest.same("hiking boots", "hiking")
    assert 0 < SAME < 1


@pytest.fixture(scope="module")
def real() -> Nearest:
    if not info("minilm").installed:
        pytest.skip("no sentence encoder here: `monogram model pull minilm`")
    return Nearest(SentenceEncoder.load())


@pytest.mark.slow
@pytest.mark.model
def test_on_persona_statements_embeddings_reach_their_goals(real: Nearest) -> None:
    """Slow (the real encoder): the figures that users get."""
    for first, last in labels.BLOCKS:
        found = labels.score(real, labels.personas(first, last))
        assert found.attribute >= 0.75, found
        assert found.target >= 0.7, found
        assert found.alone >= 0.9, found


@pytest.mark.slow
@pytest.mark.model
def test_the_projects_own_sentences_are_read_by_embeddings_too(real: Nearest) -> None:
    """Slow (the real encoder): nothing that rules leave alone may come back."""
    sentences = [(one["said"], one["is"]) for one in labels.own() if isinstance(one["said"], str)]
    found = labels.score(real, sentences)
    assert found.attribute >= 0.95, found
    assert found.alone == 1.0, found


@pytest.mark.slow
@pytest.mark.model
def test_the_real_encoder_tells_same_from_near(real: Nearest) -> None:
    """Slow (the real encoder)."""
    for one, other in (("lawyer", "attorney"), ("scary movies", "horror films"), ("NYC", "New York City")):
        assert real.same(one, other)
    for one, other in (("peanuts", "tree nuts"), ("tennis", "table tennis"), ("French", "German")):
        assert not real.same(one, other)
