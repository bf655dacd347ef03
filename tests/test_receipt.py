"""A receipt survives the trip to JSON, and limits grow with the number of preferences."""

import json
import math
from itertools import pairwise

import pytest

from monogram.receipt import Limits, Probed, Receipt, Tally, _probed


def test_it_survives_the_trip_to_json() -> None:
    tally = Tally(0, 2, 2, 1, ("Soup",), 3)
    whole = Receipt(
        *(0.5, None, 0.0, 0.25, 0.01, 0.98, 3.5, 1024, 2, None),
        per_preference=(
            Probed("hobby", "Hiking", {"ask": 1.0, "roundabout": None, "recommend": 0.5}, 0.0, "Hiking 🥾"),
            Probed("pet", "Tortoise", {"ask": 0.0}, 1.0, "", "ab12", {"ask": tally}),
        ),
        problems=("'Tortoise' is not said when asked for pet",),
    )
    assert Receipt.from_dict(json.loads(json.dumps(whole.as_dict()))) == whole
    assert Receipt.from_dict(whole.as_dict()) == whole
    before = {name: value for name, value in whole.as_dict().items() if name != "violation"}
    assert Receipt.from_dict(before) == whole  # one that was kept before violations were counted


def test_one_that_was_kept_before_tallies_can_be_read() -> None:
    plain = {
        "attribute": "pet",
        "target": "Tortoise",
        "recall": {"ask": 1.0},
        "leak": 0.0,
        "answer": "A tortoise.",
    }
    assert _probed(plain) == Probed(
        "pet", "Tortoise", {"ask": 1.0}, 0.0, "A tortoise.", content="", tallies={}
    )


def test_limits_are_for_one_and_grow_with_the_number_up_to_a_bound() -> None:
    assert Limits().of(1) == Limits().of(0) == Limits()
    ten, fifty = Limits().of(10), Limits().of(50)
    assert (ten.top1, ten.drift_kl) == (pytest.approx(0.75), pytest.approx(0.75))
    assert (Limits().of(5).top1, Limits().of(5).drift_kl) == (pytest.approx(0.82), pytest.approx(0.5))
    assert (fifty.top1, fifty.drift_kl) == (0.75, 0.75)
    assert (fifty.leak, fifty.crosstalk) == (Limits().leak, Limits().crosstalk)


def test_limits_that_are_wider_already_stay_and_none_becomes_narrower() -> None:
    loose = Limits(top1=0.0, drift_kl=math.inf)
    assert loose.of(7) == loose
    for one in (Limits(), Limits(top1=0.99, drift_kl=0.01), Limits(drift_kl=-1.0)):
        for few, more in pairwise(one.of(n) for n in range(1, 60)):
            assert more.top1 <= few.top1
            assert more.drift_kl >= few.drift_kl
