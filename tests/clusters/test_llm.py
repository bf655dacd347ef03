"""A language model reads over real HTTP; a bad answer is sent back, then an error, and never a guess."""

import builtins
import json
from typing import Any

import pytest

from monogram.clusters.extract import propose
from monogram.clusters.llm import FIELDS, Llm, checked
from monogram.errors import InputError, ReaderError
from tests.clusters.standin import KEY, MODEL, Answer, StandIn, running

pytest.importorskip("openai", reason="the extra `llm` is not installed")

SAID = "I moved to Boston. I'm allergic to peanuts, and my sister loves tea."
BOSTON = {"attribute": "home city", "target": "Boston", "polarity": "fact", "quote": "I moved to Boston."}
NUTS = {"attribute": "allergy", "target": "peanuts", "polarity": "avoids", "quote": "I'm allergic to peanuts"}
KNOT = {
    "attribute": "favorite knot",
    "target": "bowline",
    "polarity": "likes",
    "quote": "my sister loves tea",
}


def answer(*entries: Any) -> str:
    return json.dumps({"preferences": list(entries)})


def llm(stand: StandIn, **settings: Any) -> Llm:
    return Llm(MODEL, base_url=stand.url, api_key=KEY, timeout=5.0, **settings)


def test_a_good_answer_is_taken_in_the_tables_own_names() -> None:
    with running(answer(BOSTON, NUTS, KNOT)) as stand:
        found = llm(stand).read([SAID])
    assert [(p.attribute, p.target, p.polarity) for p in found] == [
        ("location", "Boston", "fact"),
        ("allergy", "peanuts", "avoids"),
        ("favorite knot", "bowline", "likes"),
    ]
    assert found[0].statement == "I moved to Boston."
    (asked,) = stand.asked
    assert asked["response_format"]["json_schema"]["strict"] is True
    assert json.loads(asked["messages"][1]["content"]) == [SAID]
    assert asked["temperature"] == 0


def test_what_the_assistant_said_is_never_sent() -> None:
    said = [{"role": "user", "content": SAID}, {"role": "assistant", "content": "I adore rum."}]
    with running(answer(BOSTON)) as stand:
        (found,) = propose(said, llm(stand))
    assert found.target == "Boston"
    assert "rum" not in json.dumps(stand.asked)


def test_nothing_is_asked_about_nothing() -> None:
    with running() as stand:
        assert llm(stand).read([]) == llm(stand).read(["", " \n"]) == ()
    with running(answer()) as stand:
        assert llm(stand).read(["The sky is blue."]) == ()


BAD: dict[str, str] = {
    "no JSON": "Sure! You live in Boston.",
    "cut off": answer(BOSTON)[:-5],
    "empty": "",
    "a bare list": json.dumps([BOSTON]),
    "another key": json.dumps({"facts": []}),
    "no objects": answer("Boston"),
    "a field too few": answer({k: v for k, v in BOSTON.items() if k != "quote"}),
    "a field too many": answer({**BOSTON, "sure": True}),
    "a number": answer({**BOSTON, "target": 3}),
    "a polarity nobody knows": answer({**BOSTON, "polarity": "hates"}),
    "an empty target": answer({**BOSTON, "target": " "}),
    "a target too long": answer({**BOSTON, "target": "x" * 201}),
    "an empty quote": answer({**BOSTON, "quote": "."}),
    "what nobody said": answer(BOSTON, {**NUTS, "quote": "I love peanuts"}),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_is_sent_back_with_the_reason(case: str) -> None:
    with running(BAD[case], answer(BOSTON)) as stand:
        (found,) = llm(stand).read([SAID])
    assert found.target == "Boston"
    first, second = stand.asked
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert second["messages"][-2]["content"] == BAD[case]
    assert "cannot be used" in second["messages"][-1]["content"]


@pytest.mark.parametrize("case", BAD)
def test_bad_answers_that_stay_bad_are_an_error(case: str) -> None:
    with (
        running(*[BAD[case]] * 3) as stand,
        pytest.raises(ReaderError, match=r"asked 3 times .*Nothing was taken") as caught,
    ):
        llm(stand).read([SAID])
    assert len(stand.asked) == 3
    assert "\n" not in str(caught.value)


def test_a_fenced_answer_is_one_and_a_chatty_one_is_not() -> None:
    assert len(checked(f"```json\n{answer(BOSTON)}\n```", [SAID])) == 1
    with pytest.raises(InputError, match="no JSON"):
        checked(f"Here it is: {answer(BOSTON)}", [SAID])
    curly = [SAID.replace("'", "\u2019")]
    assert len(checked(answer({**NUTS, "quote": "i'm  allergic to PEANUTS"}), curly)) == 1


def test_a_server_without_schemas_is_asked_without() -> None:
    with running(answer(BOSTON), schemas=False) as stand:
        assert len(llm(stand).read([SAID])) == 1
    (asked,) = stand.asked
    assert "response_format" not in asked
    assert all(name in asked["messages"][0]["content"] for name in FIELDS)


@pytest.mark.parametrize("trouble", [(500, "{}"), (429, "{}"), None], ids=["broken", "busy", "cut off"])
def test_a_server_that_stumbles_is_asked_again(trouble: Answer) -> None:
    with running(trouble, answer(BOSTON)) as stand:
        assert len(llm(stand).read([SAID])) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "other"}, r"'other' could not be asked: .*does not exist.*Check its name and the key"),
        ({"api_key": "wrong"}, r"could not be asked: .*Incorrect API key"),
    ],
)
def test_a_wrong_name_or_key_is_one_clear_line(settings: dict[str, str], says: str) -> None:
    with running() as stand:
        told: Any = {"model": MODEL, "api_key": KEY, **settings}
        with pytest.raises(ReaderError, match=says):
            Llm(base_url=stand.url, retries=0, **told).read([SAID])


@pytest.mark.parametrize(
    "body", ["<html>hello</html>", "{}", '{"choices": []}', '{"choices": [{"message": {}}]}']
)
def test_what_is_no_completion_is_an_error(body: str) -> None:
    with running((200, body)) as stand, pytest.raises(ReaderError, match=r"asked 1 times|No language model"):
        llm(stand, retries=0).read([SAID])


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(ReaderError, match=r"answers at http://127.0.0.1:9/v1.*OPENAI_BASE_URL"):
        Llm(MODEL, base_url="http://127.0.0.1:9/v1", retries=0).read([SAID])


def test_it_is_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MONOGRAM_LLM_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="Set MONOGRAM_LLM_MODEL"):
        Llm().read([SAID])
    monkeypatch.setenv("MONOGRAM_LLM_MODEL", MODEL)
    with pytest.raises(InputError, match="set OPENAI_BASE_URL"):
        Llm().read([SAID])
    with running(answer(BOSTON)) as stand:
        monkeypatch.setenv("OPENAI_BASE_URL", stand.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert len(Llm().read([SAID])) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "openai":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'monogram\[llm\]'"):
        Llm(MODEL, api_key=KEY).read([SAID])
