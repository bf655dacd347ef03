"""`similar` takes the best claim, less the best rival; the real encoder's marks are in test_labelled.py."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from monogram.bench.scorers.case import Case
from monogram.bench.scorers.similar import SILENT, Similar, rivals
from monogram.clusters.table import table
from tests.clusters.test_nearest import Bag

CHESS = Case("What's my hobby?", "Your hobby is chess.", "hobby", "Chess")


class Counted(Bag):
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert len(set(texts)) == len(texts)
        return super().encode(texts)


def score(answer: str, case: Case = CHESS) -> float:
    (found,) = Similar(Counted()).scores([replace(case, answer=answer)])
    return found


def test_what_names_the_target_is_above_what_talks_about_hobbies() -> None:
    assert score("Your hobby is chess.") > 0 >= score("A hobby is a fine thing.")
    assert score("Your hobby is stargazing.") < 0  # a rival of the table


def test_the_best_claim_counts_so_that_length_costs_nothing() -> None:
    short = score("Your hobby is chess.")
    assert score("The sun is out. Your hobby is chess. Trains run late on Mondays.") == pytest.approx(short)


def test_an_answer_that_claims_nothing_has_the_lowest_score() -> None:
    assert score("I don't know if it's chess.") == score("") == SILENT


def test_many_are_scored_at_once_as_one_by_one_and_no_text_is_read_twice() -> None:
    cases = [replace(CHESS, answer=answer) for answer in ("Chess.", "Go.", "", "Chess.")]
    assert Similar(Counted()).scores(cases) == pytest.approx([score(case.answer) for case in cases])
    assert Similar(Counted()).scores([]) == Similar(Counted())([]) == []


def test_at_length_the_bare_target_is_no_answer() -> None:
    assert Similar(Counted(), 0.01)([CHESS, replace(CHESS, at_length=True)]) == [True, False]


def test_rivals_are_the_attributes_other_values_but_none_that_shares_a_word() -> None:
    known = table().attributes["hobby"].examples
    assert "Playing Chess" in known
    others = [f"hobby: {one}" for one in known if one != "Playing Chess"]
    assert rivals(CHESS) == ["hobby", "Your hobby.", *others]
    assert rivals(replace(CHESS, attribute="knot")) == ["knot", "Your knot."]
