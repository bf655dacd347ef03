"""What is avoided has a say where it is not named: in the kitchen, in the cinema."""

import pytest

from monogram.clusters.concerns import MEALS, concerns
from monogram.clusters.expand import expand
from monogram.clusters.pool import apart, contrast_of, pool
from monogram.clusters.table import table
from monogram.preferences import Preference


def avoids(attribute: str, target: str) -> Preference:
    return Preference(attribute, target, polarity="avoids")


@pytest.mark.parametrize(
    ("avoided", "names"),
    [
        (avoids("allergy", "Peanuts"), MEALS),
        (avoids("allergy", "peanuts and shellfish"), MEALS),
        (avoids("intolerance", "gluten"), MEALS),
        (avoids("disliked food", "Blue cheese"), MEALS),
        (avoids("food preference", "Liver"), ("cuisine", "cooking")),
        (avoids("drink to avoid", "Whisky"), MEALS),
        (avoids("dislike", "horror movies"), ("entertainment",)),
        (avoids("favorite knot", "country music"), ("music",)),
        (avoids("music", "country music"), ()),
        (avoids("allergy", "Birch pollen"), ()),
        (avoids("fear", "Heights"), ()),
        (Preference("food preference", "Peanuts"), ()),
    ],
)
def test_the_thing_itself_tells_whose_advice_it_has_a_say_in(
    avoided: Preference, names: tuple[str, ...]
) -> None:
    assert concerns(avoided) == names


def test_advice_that_it_concerns_trains_and_what_is_held_out_does_not() -> None:
    nuts, pollen = (expand(avoids("allergy", target)) for target in ("Peanuts", "Pollen"))
    more = {(p.text, p.kind) for p in nuts.train} - {(p.text, p.kind) for p in pollen.train}
    assert {kind for _, kind in more} == {"roundabout", "recommend"}
    for name in MEALS:
        given = table().attributes[name]
        assert {(given.roundabout[0], "roundabout"), (given.recommend[0], "recommend")} <= more
        held = {*given.roundabout[-2:], *given.recommend[-2:]}
        assert held.isdisjoint(p.text for p in nuts.train)
    assert nuts.probe == pollen.probe


def test_what_it_concerns_is_not_held_against_it() -> None:
    nuts = expand(avoids("allergy", "Peanuts"))
    own = {p.text for p in nuts.train}
    asks, others, _ = contrast_of(nuts)
    held = [pool()[place] for place in (*asks, *others)]
    assert own.isdisjoint(entry.phrasing.text for entry in held)
    assert {entry.kind for entry in held if entry.owner in MEALS} == {"contrast", "ask"}
    knot = contrast_of(expand(avoids("favorite knot", "country music")))
    assert {pool()[place].kind for place in knot[1] if pool()[place].owner == "music"} == {"ask"}


def test_a_persons_other_preferences_give_their_asks_alone_where_it_has_a_say() -> None:
    nuts, cooking = expand(avoids("allergy", "Peanuts")), expand(Preference("cooking", "Baking"))
    asks, rest = apart(nuts, cooking)
    assert {cooking.train[place].kind for place in asks} == {"ask"}
    assert rest == []
