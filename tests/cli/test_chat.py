"""chat keeps a conversation, knows what was changed on the way, and can be left, stopped and scripted."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

from monogram.cli.output import plain
from monogram.cli.slash import COMMANDS, Slash, attribute_and_target
from monogram.cli.voice import Voice
from monogram.clusters.table import table
from monogram.conversation import Conversation
from monogram.errors import InputError
from monogram.people import Personalizer
from monogram.store.store import Store
from tests import tiny
from tests.cli.program import COMMAND, Run, environment
from tests.compiled import Compiler

Chat = Callable[..., Result]


@pytest.fixture
def chat(run: Run) -> Chat:
    """Lines that are typed into a chat."""

    def typed(*lines: str, words: tuple[str, ...] = (), user: str = "alice", expect: int = 0) -> Result:
        told = ["chat", user, "--max-new-tokens", "8", *words]
        return run(*told, expect=expect, input="".join(f"{line}\n" for line in lines))

    return typed


def events(result: Result) -> list[dict[str, Any]]:
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


def answers(result: Result) -> list[str]:
    return [event["answer"] for event in events(result) if event["type"] == "answer"]


def test_through_a_pipe_answers_are_on_stdout_and_all_else_beside_them(chat: Chat) -> None:
    lines = ["What is my hobby?", "/add hobby Hiking", "", "/base", "What is my hobby?", "/list"]
    told = chat(*lines)
    expected = answers(chat(*lines, words=("--json",), user="bob"))
    assert len(expected) == 2
    assert told.stdout == "".join(plain(answer, lines=True) + "\n" for answer in expected)
    assert "Nothing is true of 'alice' yet" in told.stderr
    assert "+ hobby: Hiking\nversion 1: recall 1.00" in told.stderr
    assert "s on two cores" in told.stderr
    assert "The base model answers now" in told.stderr


def test_each_line_has_its_record(chat: Chat) -> None:
    found = events(
        chat(
            "Hello?",
            "/add hobby Hiking",
            "/add hobby Hiking",
            "/list",
            "/base",
            "Hello?",
            "/base",
            "/reset",
            "//slash",
            "/forget Hiking",
            "/help",
            "/quit",
            "never said",
            words=("--json",),
        )
    )
    kinds = [event["type"] for event in found]
    assert " ".join(kinds) == ("start answer added added list base answer base reset answer forgotten help")
    assert found[0]["preferences"] == []
    assert (found[2]["version"], found[2]["receipt"]["recall"], found[2]["added"][0]["target"]) == (
        1,
        1.0,
        "Hiking",
    )
    assert found[3]["unchanged"] is True
    assert found[4]["preferences"][0]["attribute"] == "hobby"
    assert [event["base"] for event in found if event["type"] == "base"] == [True, False]
    assert [event["base"] for event in found if event["type"] == "answer"] == [False, True, False]
    assert found[9]["question"] == "/slash"
    assert found[10]["removed"][0]["target"] == "Hiking"
    assert len(found[11]["commands"]) == len(COMMANDS)


def test_the_conversation_is_kept_until_it_is_reset(chat: Chat) -> None:
    first, again, anew = answers(chat("Hello?", "Hello?", "/reset", "Hello?", words=("--json",)))
    assert first == anew
    assert first != again


def test_the_base_model_and_the_persons_answer_differently(chat: Chat) -> None:
    lines = ["What is my hobby?", "/base", "What is my hobby?", "/base", "What is my hobby?"]
    chat("/add hobby Hiking")
    own, base, again = answers(chat(*lines, words=("--json",)))
    assert own != base
    assert again not in (own, base)  # her conversation went on
    only = answers(chat("What is my hobby?", words=("--json", "--base")))
    assert only == [base]


def test_what_was_added_is_there_the_next_time(chat: Chat) -> None:
    chat("/add hobby Hiking", "/add a pet: a cat", "/forget hobby", words=("--yes",))
    (start,) = events(chat(words=("--json",)))
    assert [p["target"] for p in start["preferences"]] == ["a cat"]
    assert "alice on" in chat().stderr
    assert "pet: a cat" in chat().stderr


FAILS = {
    "/ad hobby Hiking": "Unknown command '/ad'. Did you mean '/add'?",
    "/add": "Say what to add",
    "/add hobby": "Say what to add",
    "/add hobby Harm": "would leak",
    "/add hoby Hiking": "Did you mean 'hobby'",
    "/forget": "What is to be forgotten?",
    "/forget pet": "Unknown preference of 'alice' 'pet'",
    "/add The sky is blue.": "No preference was found",
    "x" * 600: "takes 512",
}


def test_what_fails_is_said_and_the_chat_goes_on(chat: Chat) -> None:
    chat("/add job nurse")
    told = chat(*FAILS, "Hello?", words=("--json",), expect=1)
    found = [json.loads(line) for line in told.stdout.splitlines()]
    assert [event["type"] for event in found] == ["start", *["error"] * len(FAILS), "answer"]
    for event, says in zip(found[1:], FAILS.values(), strict=False):
        assert says in event["error"]["message"]
    assert found[4]["error"]["receipt"]["leak"] == 0.9
    assert told.stderr == f"{len(FAILS)} of the lines failed.\n"
    shown = chat("/nothing", "Hello?", expect=1)
    assert "Error: Unknown command '/nothing'" in shown.stderr
    assert shown.stdout != ""


def test_somebody_misspelt_is_asked_about_but_may_begin(chat: Chat) -> None:
    chat("/add job nurse")
    assert "Nothing is true of 'alise' yet. Did you mean 'alice'?" in chat(user="alise").stderr
    assert "Did you mean" not in chat("/forget job").stderr
    assert "Nothing is true of 'alice' yet. Say" in chat().stderr


def test_a_long_conversation_says_what_is_left_out(chat: Chat) -> None:
    lines = [f"Question {n}, which is rather long, as it has to fill the context?" for n in range(8)]
    told = chat(*lines)
    assert "from here on its oldest" in told.stderr
    left = [
        event["left_out"] for event in events(chat(*lines, words=("--json",))) if event["type"] == "answer"
    ]
    assert left[0] == 0
    assert left[-1] > 0


def test_a_line_that_is_no_utf8_is_read_all_the_same(folder: str, tmp_path: Path) -> None:
    command = [*COMMAND, "chat", "alice", "--model", folder, "--max-new-tokens", "4", "--json"]
    run = subprocess.run(
        command, input=b"caf\xe9?\n", capture_output=True, env=environment(tmp_path / "home"), timeout=120
    )
    assert run.returncode == 0, run.stderr.decode()
    assert json.loads(run.stdout.splitlines()[1])["question"] == "caf\ufffd?"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hobby Hiking", ("hobby", "Hiking")),
        ("favorite color dark blue", ("favorite color", "dark blue")),
        ("zither Bach", ("zither", "Bach")),
        ("secret handshake: two taps", ("secret handshake", "two taps")),
        ('"secret handshake" "two taps"', ("secret handshake", "two taps")),
        ("I like to go hiking", None),
        ("My job is nurse", None),
        ("Peanuts make me ill", None),
        ("What I like: hiking", None),
        ("hiking is nice", None),
        ("hobby Mime", ("hobby", "Mime")),
    ],
)
def test_what_is_added_is_an_attribute_and_a_target_or_a_sentence(
    text: str, found: tuple[str, str] | None
) -> None:
    assert attribute_and_target(table(), text) == found


@pytest.mark.parametrize("text", ["", "hobby", " "])
def test_one_word_alone_cannot_be_added(text: str) -> None:
    with pytest.raises(InputError, match="/add hobby Hiking"):
        attribute_and_target(table(), text)


def test_commands_and_what_they_take_are_completed(compiler: Compiler, tmp_path: Path) -> None:
    person = Personalizer(tiny.editable(dtype=torch.float32), Store(tmp_path)).user("alice")
    person.add(attribute="hobby", target="Hiking")
    talks = Conversation(person), Conversation(person, base=True)
    slash = Slash(*talks, Voice(as_json=True), "tiny", yes=True)
    assert slash.completions("/") == ["/add ", "/forget ", "/list", "/base", "/reset", "/help", "/quit"]
    assert slash.completions("/fo") == ["/forget "]
    assert slash.completions("/forget hi") == ["/forget Hiking"]
    assert "/add hobby " in slash.completions("/add ho")
    assert slash.completions("Hello") == []
    assert slash.completions("/list x") == []
