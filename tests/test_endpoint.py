"""A language model is asked over real HTTP: patient with the server, strict with the answer, cost counted."""

import json
import time
from typing import Any

import pytest

from monogram.endpoint import Endpoint, Form, Spent, parsed
from monogram.errors import AnswerError, EndpointError, InputError
from tests.clusters.standin import KEY, MODEL, Answer, Body, StandIn, completion, error, running

pytest.importorskip("openai", reason="the extra `llm` is not installed")

FORM = Form("number", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
ASK = [{"role": "user", "content": 'A number, as JSON: {"n": 1}'}]
GOOD = '{"n": 3}'


def number(answer: str) -> int:
    told = parsed(answer)
    if not isinstance(told, dict) or not isinstance(told.get("n"), int):
        raise InputError("It has no number.")
    return int(told["n"])


def settle(stand: StandIn, spent: Spent | None = None, **settings: Any) -> int:
    told = {"model": MODEL, "base_url": stand.url, "api_key": KEY, "timeout": 5.0, **settings}
    with Endpoint(**told).line() as line:
        return line.settle(ASK, FORM, number, spent)


def test_a_bad_answer_goes_back_with_the_reason_and_both_are_paid_for() -> None:
    spent = Spent()
    with running("three", GOOD) as stand:
        assert settle(stand, spent) == 3
    assert stand.asked[1]["messages"][-1]["content"].startswith("That cannot be used: It is no JSON")
    words = [sum(len(m["content"].split()) for m in body["messages"]) for body in stand.asked]
    assert spent == Spent(2, sum(words), 3)


def test_what_stays_bad_is_an_error_of_its_own_and_paid_for() -> None:
    spent = Spent()
    with running(*["{}"] * 3) as stand, pytest.raises(AnswerError, match=r"asked 3 times .*no number"):
        settle(stand, spent)
    assert spent.calls == len(stand.asked) == 3


def test_a_refusal_is_not_argued_with() -> None:
    with (
        running(by=lambda body: completion("", body, refusal="I'd rather not.")) as stand,
        pytest.raises(AnswerError, match="refuses: I'd rather not"),
    ):
        settle(stand)
    assert len(stand.asked) == 1


def test_an_answer_that_was_cut_off_is_never_used_even_if_it_reads_well() -> None:
    def cut(body: Body) -> Answer:
        return completion(GOOD, body, "length") if len(body["messages"]) == 1 else GOOD

    with running(by=cut) as stand:
        assert settle(stand) == 3
    assert "cut off" in stand.asked[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("lacks", "sent"),
    [
        ((), ("json_schema", 0)),
        (("json_schema",), ("json_object", 0)),
        (("response_format",), (None, 0)),
        (("temperature",), ("json_schema", None)),
        (("temperature", "json_schema"), ("json_object", None)),
    ],
)
def test_what_a_server_lacks_is_done_without_and_not_tried_twice(
    lacks: tuple[str, ...], sent: tuple[str | None, int | None]
) -> None:
    with running("no", GOOD, lacks=lacks) as stand:
        assert settle(stand) == 3
    for body in stand.asked:
        assert (body.get("response_format", {}).get("type"), body.get("temperature")) == sent


def test_retry_after_is_waited_for() -> None:
    with running(error(429, "slow down", Retry_After="1"), GOOD) as stand:
        start = time.monotonic()
        assert settle(stand) == 3
        assert time.monotonic() - start >= 1


@pytest.mark.parametrize("trouble", [error(500, "oh"), error(503, "busy"), None])
def test_a_server_that_stumbles_is_asked_again_and_in_the_end_given_up(trouble: Answer) -> None:
    with running(trouble, GOOD) as stand:
        assert settle(stand) == 3
    with running(trouble, trouble) as stand, pytest.raises(EndpointError) as caught:
        settle(stand, retries=1)
    assert len(stand.asked) == 2
    assert not caught.value.lasting
    assert not isinstance(caught.value, AnswerError)


def test_a_server_that_does_not_answer_in_time_is_an_error() -> None:
    def slow(_: Body) -> Answer:
        time.sleep(0.5)
        return GOOD

    with running(by=slow) as stand, pytest.raises(EndpointError, match="Timeout"):
        settle(stand, timeout=0.1, retries=0)


@pytest.mark.parametrize("wrong", [{"model": "other"}, {"api_key": "wrong"}])
def test_what_no_patience_mends_is_told_apart(wrong: dict[str, str]) -> None:
    with running() as stand, pytest.raises(EndpointError) as caught:
        settle(stand, **wrong)
    assert caught.value.lasting


@pytest.mark.parametrize(
    "text",
    [GOOD, f" {GOOD}\n", f"```json\n{GOOD}\n```", f"```\n{GOOD}```", f"<think>Hm, {{3}}?</think>\n{GOOD}"],
)
def test_json_is_found_in_a_fence_and_behind_thoughts(text: str) -> None:
    assert parsed(text) == {"n": 3}


@pytest.mark.parametrize("text", ["", f"Sure: {GOOD}", GOOD[:-1], "<think>{}</think>", json.dumps(GOOD)[1:]])
def test_what_is_no_json_is_not_guessed_at(text: str) -> None:
    with pytest.raises(InputError, match="It is no JSON"):
        parsed(text)
