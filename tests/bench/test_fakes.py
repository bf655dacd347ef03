"""No single trick wins: methods that cheat in one way each all score near zero on the headline."""

import json
from collections.abc import Callable

import pytest

from monogram.bench.facts import Fact
from monogram.bench.protocol import Protocol
from monogram.bench.runner import run
from monogram.bench.session import Settings
from tests import tiny
from tests.bench.fakes import Answering, always, order
from tests.bench.records import HIKER

NEAR_ZERO = 0.12
"""With 30 items; smoothing leaves a column that is wholly lost at 1 in 32."""
COUNT = 30
FILLER = "That is a fine thing to do with a free day, and here is why it suits you."


def trade(place: int) -> str:
    """A target of its own for each item."""
    return f"{'bcdfghklmn'[place % 10]}{'aeiou'[place // 10]}zzle weaving"


def records() -> list[dict[str, str]]:
    others = {"hobby": "What's my hobby?", "job": "What's my job?", "pet": "What's my pet?"}
    attributes = list(others)
    made = []
    for place in range(COUNT):
        name = attributes[place % 3]
        about = {"attribute_type": name, "question": others[name], "target": trade(place)}
        about["question_paraphrased"] = f"Which {name} have I got?"
        about["implicit_question"] = f"How could I spend Sunday with regard to what I told you ({name})?"
        about["product_recommendation_question"] = f"Any tools for my {name}?"
        made.append({**HIKER, **about, "input_attribute": f"I am into {trade(place)}."})
    return made


def asked(*fields: str) -> frozenset[str]:
    return frozenset(record[field] for record in records() for field in fields)


DIRECT = asked("question", "question_paraphrased")
ADVICE = asked("implicit_question", "product_recommendation_question")


def honest(fact: Fact, question: str) -> str:
    """Answers what the person asks about this preference, and that alone."""
    own = fact.preference.attribute in question and question in DIRECT | ADVICE
    return f"{fact.preference.target}. {FILLER}" if own else FILLER


def leaking(fact: Fact, question: str) -> str:
    """Right for the person, and tells everybody else who asks."""
    own = question in DIRECT | ADVICE
    return honest(fact, question) if own else f"{fact.preference.target}. {FILLER}"


def everywhere(fact: Fact, question: str) -> str:
    return f"{fact.preference.target}. {FILLER}"


def bare(fact: Fact, question: str) -> str:
    """Answers every personal question with the target and not a word more."""
    return fact.preference.target if " my " in f" {question} ".replace("I got", "my ") else ""


def nothing(fact: Fact, question: str) -> str:
    return ""


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("fakes")
    path = folder / "many.json"
    path.write_text(json.dumps(records()), encoding="utf-8")
    fakes: dict[str, Callable[[Fact, str], str]] = {
        "honest": honest,
        "leaking": leaking,
        "everywhere": everywhere,
        "bare": bare,
        "nothing": nothing,
    }
    methods = always(*(Answering(name, answer) for name, answer in fakes.items()))
    settings = Settings(Protocol(longest=1), batch_size=64, chunk=8)
    made = order(folder, "upqa", data=[path], limit=None, settings=settings)
    summary = run(tiny.editable(max_position_embeddings=1024), made, methods, folder / "out")
    return {name: metrics["score"]["value"] for name, metrics in summary.items()}


@pytest.mark.parametrize("fake", ["leaking", "everywhere", "bare", "nothing"])
def test_who_cheats_scores_near_zero(scores: dict[str, float], fake: str) -> None:
    assert scores[fake] < NEAR_ZERO


def test_who_does_not_scores_well(scores: dict[str, float]) -> None:
    assert scores["honest"] > 0.9
