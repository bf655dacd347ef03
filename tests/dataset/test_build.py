"""A data set is built over real HTTP from a server that behaves badly in every way it can."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.items import load_items
from monogram.dataset.build import BAD, DOUBLE, UNREADABLE, UNUSABLE, Built, build, plan, write
from monogram.dataset.statements import Statements
from monogram.endpoint import Endpoint
from monogram.errors import EndpointError
from monogram.journal import Journal
from tests.clusters.standin import KEY, MODEL, Answer, Body, completion, error, running
from tests.dataset.answers import FACTS, good, item, statement

pytest.importorskip("openai", reason="the extra `llm` is not installed")

SAID = tuple(FACTS)
GIVEN = Statements(SAID, refused=(("I am.", "It has fewer than 3 words."),))


def run(
    folder: Path,
    by: Callable[[Body], Answer],
    *,
    given: Statements = GIVEN,
    retries: int = 1,
    timeout: float = 5.0,
    key: str = KEY,
    **more: Any,
) -> tuple[Built, list[Body]]:
    """Build in a folder what is not there yet; what came of it, and what was asked."""
    told = {"model": MODEL, "clusters": more.pop("clusters", 0), "again": more.pop("again", False)}
    with (
        running(by=by) as stand,
        Journal(folder / "answers.jsonl") as journal,
        Endpoint(MODEL, stand.url, key, retries, timeout).line() as line,
    ):
        built = build(plan(given.texts, journal, **told), given, line, journal, **more)
    write(built, folder / "items.json")
    return built, stand.asked


def test_good_answers_become_items_in_the_statements_order(tmp_path: Path) -> None:
    def unhurried(body: Body) -> Answer:
        time.sleep(0.02 * (len(SAID) - SAID.index(statement(body))))  # the last is answered first
        return good(body)

    built, asked = run(tmp_path, unhurried, at_once=6)
    items = load_items(tmp_path / "items.json").items
    assert [one.statement for one in items] == [said for said in SAID if "pots" not in said]
    assert [(r["attribute_type"], r["target"], r["polarity"]) for r in built.items][1] == FACTS[SAID[2]]
    assert built.kinds == {DOUBLE: 1, UNREADABLE: 1}
    assert built.refused[0].statement == "I make pots every weekend."
    assert built.spent.calls == len(asked) == 6
    told = [json.loads(line) for line in (tmp_path / "items.json.refused.jsonl").read_text().splitlines()]
    assert [one["kind"] for one in told] == [DOUBLE, UNREADABLE]
    assert all(body["response_format"]["type"] == "json_schema" for body in asked)


def test_with_clusters_there_are_lists(tmp_path: Path) -> None:
    run(tmp_path, good, clusters=2)
    first = load_items(tmp_path / "items.json").items[0]
    assert first.targets == ("Pottery first", "Pottery second", "Pottery")


MENDED: dict[str, Callable[[Body], Answer]] = {
    "busy": lambda body: error(429, "slow down", Retry_After="1"),
    "broken": lambda body: error(500, "oh"),
    "the line is cut": lambda body: None,
    "cut-off JSON": lambda body: good(body)[:-9],
    "cut off by length": lambda body: completion(good(body), body, "length"),
    "wrong schema": lambda body: json.dumps({"items": [json.loads(good(body))]}),
    "a field of another kind": lambda body: good(body).replace("true", '"yes"'),
    "chatty": lambda body: f"Sure! {good(body)}",
    "no choices": lambda body: (200, '{"id": "1", "object": "chat.completion", "choices": []}'),
    "no message": lambda body: (200, '{"choices": [{"message": {}}]}'),
    "the target in a question": lambda body: item(
        "hobby", "Pottery", "likes", question="Is pottery my hobby?"
    ),
    "your": lambda body: item("hobby", "Pottery", "likes", question="What's your hobby?"),
    "nothing at all": lambda body: "",
}


@pytest.mark.parametrize("case", MENDED)
def test_what_is_bad_once_is_mended(tmp_path: Path, case: str) -> None:
    seen: Counter[str] = Counter()

    def once(body: Body) -> Answer:
        seen[statement(body)] += 1
        return MENDED[case](body) if seen[statement(body)] == 1 else good(body)

    built, _ = run(tmp_path, once, given=Statements(SAID[:1]))
    assert [one["target"] for one in built.items] == ["Pottery"]
    assert built.refused == built.failed == ()


def test_a_server_that_is_too_slow_is_asked_again(tmp_path: Path) -> None:
    asked = threading.Event()

    def slow(body: Body) -> Answer:
        if not asked.is_set():
            asked.set()
            time.sleep(1)
        return good(body)

    built, _ = run(tmp_path, slow, given=Statements(SAID[:1]), timeout=0.5)
    assert len(built.items) == 1


REFUSED: dict[str, tuple[Callable[[Body], Answer], str, str]] = {
    "cut-off JSON": (lambda body: good(body)[:-9], BAD, "It is no JSON"),
    "a refusal": (lambda body: completion("", body, refusal="I can't help."), BAD, "refuses: I can't help"),
    "the target in a question": (
        lambda body: item("home city", "Turku", "fact", question="Is Turku my home city?"),
        BAD,
        "question holds words of the target",
    ),
    "no choices": (lambda body: (200, '{"choices": []}'), BAD, "It is no JSON"),
    "unusable": (
        lambda body: item("", "", "fact", usable=False, reason="Too vague."),
        UNUSABLE,
        "Too vague.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_stays_bad_is_refused_with_the_reason_and_not_paid_for_again(tmp_path: Path, case: str) -> None:
    answer, kind, reason = REFUSED[case]

    def one_bad(body: Body) -> Answer:
        return answer(body) if statement(body) == "I live in Turku." else good(body)

    built, _ = run(tmp_path, one_bad)
    (refused,) = [one for one in built.refused if one.kind == kind]
    assert refused.statement == "I live in Turku."
    assert reason in refused.reason
    assert len(built.items) == 4
    _, asked = run(tmp_path, good)
    assert asked == []
    mended, asked = run(tmp_path, good, again=True)
    assert len(asked) == (kind == BAD)
    assert len(mended.items) == 4 + (kind == BAD)


def test_what_could_not_be_asked_is_asked_the_next_time(tmp_path: Path) -> None:
    def one_busy(body: Body) -> Answer:
        return error(503, "busy") if statement(body) == "I live in Turku." else good(body)

    built, _ = run(tmp_path, one_busy, retries=0)
    assert [said for said, _ in built.failed] == ["I live in Turku."]
    assert len(built.items) == 4
    built, asked = run(tmp_path, good)
    assert [statement(body) for body in asked] == ["I live in Turku."]
    assert (len(built.items), built.failed) == (5, ())


def test_a_wrong_key_stops_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="Incorrect API key"):
        run(tmp_path, good, key="wrong")
    assert not (tmp_path / "items.json").exists()
    assert not (tmp_path / "answers.jsonl").exists()


def test_a_server_that_goes_away_ends_the_run_and_what_was_answered_is_kept(tmp_path: Path) -> None:
    given = Statements(tuple(f"I like number {n} best." for n in range(30)))
    lasts = iter(range(10))

    def goes(body: Body) -> Answer:
        return item("number", statement(body).split()[3], "likes") if next(lasts, None) is not None else None

    with pytest.raises(EndpointError, match="5 times in a row"):
        run(tmp_path, goes, given=given, retries=0, at_once=1)
    with Journal(tmp_path / "answers.jsonl") as journal:
        assert len(journal.records) == 10


def test_another_model_or_another_number_of_synonyms_is_another_answer(tmp_path: Path) -> None:
    with Journal(tmp_path / "a") as journal:
        keys = {
            plan(SAID, journal, model=model, clusters=n).key(SAID[0]) for model in ("a", "b") for n in (0, 2)
        }
    assert len(keys) == 4


def test_the_cost_is_known_before_and_is_about_right(tmp_path: Path) -> None:
    with Journal(tmp_path / "a") as journal:
        before = plan(SAID, journal, model=MODEL)
    asked, answered = before.tokens
    assert len(before.jobs) == 6
    _, bodies = run(tmp_path, good)
    letters = sum(len(json.dumps(body)) for body in bodies) / 4
    assert 0.6 * letters < asked < 1.6 * letters
    said = sum(len(good(body)) for body in bodies) / 4
    assert 0.5 * said < answered < 2 * said
