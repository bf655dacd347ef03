"""chat at a terminal, as somebody types it: who answers is shown, Ctrl-C stops, a second one leaves."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.cli.program import COMMAND, environment
from tests.cli.terminal import Terminal, terminal

pytestmark = pytest.mark.slow  # real processes at a terminal, each of which has torch to load: 4 to 10 s each
STOPPED = "Ctrl-C again or Ctrl-D leaves."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that talks on and on: it is never sure that it has ended."""
    path = tmp_path_factory.mktemp("model")
    made = tiny.model(dtype=torch.float32, max_position_embeddings=100_000, tie_word_embeddings=False)
    with torch.no_grad():
        made.lm_head.weight[:5] = 0
        made.lm_head.weight[5:] += 0.01
    made.save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return str(path)


@contextmanager
def chat(folder: str, home: Path, *words: str) -> Iterator[Terminal]:
    with terminal([*COMMAND, "chat", "alice", "--model", folder, *words], environment(home)) as seen:
        yield seen


def told(folder: str, home: Path) -> list[str]:
    run = subprocess.run(
        [*COMMAND, "list", "alice", "--json"], capture_output=True, env=environment(home), timeout=120
    )
    return [p["target"] for p in json.loads(run.stdout)["preferences"]]


def test_a_chat_from_the_first_line_to_ctrl_d(folder: str, tmp_path: Path) -> None:
    with chat(folder, tmp_path, "--max-new-tokens", "12") as seen:
        assert "Nothing is true of 'alice' yet." in seen.until("you> ")
        seen.type("/add hob\t")
        seen.until("/add hobby ")  # completed
        seen.type("Hiking\n")
        assert "+ hobby: Hiking" in seen.until("you> ")
        seen.type("What is my hobby?\n")
        assert "alice> " in seen.until("you> ")
        seen.type("/base\n")
        assert "The base model answers now" in seen.until("you> ")
        seen.type("What is my hobby?\n")
        assert "base model> " in seen.until("you> ")
        seen.type("/base\n")
        assert "alice's model answers now; it knows hobby: Hiking" in seen.until("you> ")
        seen.type("\x1b[A\x1b[A\n")  # two lines back
        seen.until("What is my hobby?")
        assert "alice> " in seen.until("you> ")
        seen.type("\x04")
        assert seen.ended() == 0
    assert told(folder, tmp_path) == ["Hiking"]


def test_ctrl_c_stops_an_answer_and_a_second_one_leaves(folder: str, tmp_path: Path) -> None:
    with chat(folder, tmp_path, "--max-new-tokens", "90000") as seen:
        seen.until("you> ")
        seen.type("/add hobby Hiking\n")
        seen.until("you> ")
        seen.type("Tell me a very long story.\n")
        seen.until("alice> ")
        seen.type("\x03")
        seen.until(f"Stopped. {STOPPED}")
        seen.until("you> ")
        seen.type("/list\n")  # all is as it was
        assert "hobby: Hiking" in seen.until("you> ")
        seen.type("And another one.\n")
        seen.until("alice> ")
        seen.type("\x03")
        seen.until("you> ")
        time.sleep(1)  # nobody is quicker: readline has to be waiting for a key
        seen.type("\x03")
        seen.until("Interrupted.")
        assert seen.ended() == 130
    assert "Traceback" not in seen.shown
    assert told(folder, tmp_path) == ["Hiking"]


def test_ctrl_c_at_the_prompt_drops_the_line_first(folder: str, tmp_path: Path) -> None:
    with chat(folder, tmp_path, "--max-new-tokens", "4") as seen:
        seen.until("you> ")
        time.sleep(1)  # nobody is quicker: readline has to be waiting for a key
        seen.type("never said\x03")
        seen.until(STOPPED)
        seen.until("you> ")
        seen.type("/quit\n")
        assert seen.ended() == 0


@pytest.mark.parametrize(
    ("line", "added"),
    [("/add hoby Hiking", "+ hoby: Hiking"), ("/add I love pottery.", "+ hobby: pottery")],
)
def test_what_was_not_said_plainly_is_asked_about(folder: str, tmp_path: Path, line: str, added: str) -> None:
    with chat(folder, tmp_path, "--max-new-tokens", "4") as seen:
        seen.until("you> ")
        for answer, says in (("n", "Nothing was changed."), ("y", added)):
            seen.type(f"{line}\n")
            seen.until("Go on? [y/N]: ")
            seen.type(f"{answer}\n")
            seen.until(says)
            seen.until("you> ")
        seen.type("/quit\n")
        assert seen.ended() == 0
