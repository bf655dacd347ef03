"""Sixty labelled answers: each scorer gives the mark in the file, and its mistakes are the known ones."""

from collections.abc import Sequence

import pytest

from monogram.bench.scorers import case
from monogram.bench.scorers.agreement import agreement
from monogram.bench.scorers.calibration import area, pairs, roc
from monogram.bench.scorers.similar import THRESHOLD, Similar, calibrate
from monogram.models.sentences import SentenceEncoder
from monogram.models.sources import info
from tests.bench.scorers.labelled import CASES, LABELS, RECORDS, expected


def test_there_are_sixty_of_both_kinds_about_nothing_that_was_calibrated_on() -> None:
    assert len(RECORDS) == len({(r["question"], r["answer"]) for r in RECORDS}) == 60
    assert 25 <= sum(LABELS) <= 35
    assert {r["kind"] for r in RECORDS} == {"direct", "paraphrased", "implicit", "product"}
    calibrated, _ = pairs()
    assert {c.target for c in calibrated}.isdisjoint(r["target"] for r in RECORDS)
    assert {c.answer for c in calibrated}.isdisjoint(r["answer"] for r in RECORDS)


def mistakes(marks: Sequence[bool | None]) -> tuple[int, int]:
    """(false positives, false negatives)."""
    told = list(zip(marks, LABELS, strict=True))
    return told.count((True, False)), told.count((False, True))


@pytest.mark.parametrize(
    ("scorer", "wrong"), [("contains", (13, 17)), ("recall", (15, 11))]
)  # docs/evaluation.md §4
def test_the_rules_say_what_they_are_known_to_say(scorer: str, wrong: tuple[int, int]) -> None:
    marks = getattr(case, scorer)(CASES)
    assert marks == expected(scorer)
    assert mistakes(marks) == wrong


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    if not info("minilm").installed:
        pytest.skip("no sentence encoder here: `monogram model pull minilm`")
    return SentenceEncoder.load()


@pytest.mark.slow  # reads the real encoder (84 MB): what is claimed is about that one
@pytest.mark.model
def test_similar_agrees_with_the_labels_in_nine_of_ten(encoder: SentenceEncoder) -> None:
    marks = Similar(encoder)(CASES)
    assert marks == expected("similar")
    found = agreement(marks, LABELS)
    assert found.raw.value == pytest.approx(55 / 60)
    assert found.kappa == pytest.approx(0.835, abs=0.001)
    assert mistakes(marks) == (5, 0)


@pytest.mark.slow  # as above
@pytest.mark.model
def test_the_threshold_is_what_the_labelled_pairs_say(encoder: SentenceEncoder) -> None:
    point, points = calibrate(encoder)
    cases, labels = pairs()
    assert (len(cases), sum(labels)) == (126, 52)
    assert area(points) == pytest.approx(0.969, abs=0.001)
    assert point.agreement == pytest.approx(0.929, abs=0.001)
    assert point.threshold == pytest.approx(THRESHOLD, abs=0.001)
    called = agreement(Similar(encoder)(cases), labels)
    assert called.raw.value == point.agreement
    scores = Similar(encoder).scores(cases)
    assert roc(scores, labels) == points
