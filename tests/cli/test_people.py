"""add, ask, list, forget, export as somebody types them, on a tiny model in a folder."""

import errno
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from monogram import keeping
from monogram.cli.app import app
from monogram.delta import load_adapter
from monogram.store.ledger import Ledger
from tests import tiny
from tests.cli.program import Run

HIKING = ("--attribute", "hobby", "--target", "Hiking")


def error(result: Result) -> str:
    """The one line on stderr that explains."""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.stdout == ""
    return line


def test_a_person_from_the_first_preference_to_the_last(run: Run, tmp_path: Path) -> None:
    added = run("add", "alice", "I like to hike.", *HIKING)
    assert "+ hobby: Hiking" in added.stdout
    assert "version 1: recall 1.00, leak 0.00" in added.stdout
    assert "20 to 60 s on two cores" in added.stderr
    assert "Hiking" in run("list", "alice").stdout
    assert "I like to hike." in run("list", "alice").stdout
    assert run("ask", "alice", "What is my hobby?", "--max-new-tokens", "8").stdout != ""
    run("add", "alice", "--attribute", "home city", "--target", "Rome")
    replaced = run("add", "alice", "--attribute", "location", "--target", "Boston").stdout
    assert "- home city: Rome" in replaced
    assert "+ location: Boston" in replaced
    exported = run("export", "alice", "--to", "peft", str(tmp_path / "adapter")).stdout
    assert "a PEFT adapter" in exported
    assert load_adapter(tmp_path / "adapter").rank == 2
    assert "- hobby: Hiking" in run("forget", "alice", "pastime").stdout
    assert "- location: Boston" in run("forget", "alice", "boston").stdout
    assert "everything was forgotten" in run("list", "alice").stdout
    assert "alice" in run("list").stdout


def test_exports_for_the_edge_say_what_they_are(run: Run, tmp_path: Path) -> None:
    run("add", "alice", *HIKING)
    folder = str(tmp_path / "gguf")
    assert "an adapter for llama.cpp (adapter.gguf)" in run("export", "alice", folder, "--to", "gguf").stdout
    assert "would be replaced" in error(run("export", "alice", folder, "--to", "gguf", expect=1))
    run("export", "alice", folder, "--to", "gguf", "--yes")
    asks = error(run("export", "alice", str(tmp_path / "ollama"), "--to", "ollama", expect=1))
    assert "--base FILE.gguf" in asks
    lost = error(run("export", "alice", folder, "--to", "ollama", "--base", "gone.gguf", "--yes", expect=1))
    assert "There is no file gone.gguf" in lost
    merged = run("export", "alice", str(tmp_path / "whole"), "--to", "merged")
    assert "a whole model; measured again: recall 0.00" in merged.stdout  # the double claims 1, the model
    assert "(recall 1.00 when compiled)" in merged.stdout  # is random
    assert "recall 0.00, with the adapter 1.00: the weights are float32" in merged.stderr


def test_json_is_all_there_is_on_stdout(run: Run, tmp_path: Path) -> None:
    def told(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.stderr == ""
        return json.loads(result.stdout)

    added = told("add", "alice", *HIKING)
    assert added["added"][0]["target"] == "Hiking"
    assert (added["version"], added["receipt"]["recall"], added["unchanged"]) == (1, 1.0, False)
    assert told("add", "alice", *HIKING)["unchanged"] is True
    listed = told("list", "alice")
    assert listed["preferences"][0]["polarity"] == "likes"
    assert listed["version"]["number"] == 1
    assert told("list") == {"users": [{"user": "alice", "preferences": 1}]}
    base = told("ask", "alice", "What is my hobby?", "--base", "--max-new-tokens", "8")
    own = told("ask", "alice", "What is my hobby?", "--max-new-tokens", "8")
    assert base["base"] is True
    assert own["answer"] != base["answer"]
    told("add", "alice", "--attribute", "home city", "--target", "Rome")
    exported = told("export", "alice", str(tmp_path / "cut"), "--rank", "1")
    assert (exported["cut_from"], 0 < float(exported["cut_error"]) < 1) == ("2", True)
    exported = told("export", "alice", str(tmp_path / "whole"), "--to", "merged")
    assert exported["bytes"] > 1000
    assert (exported["before"]["recall"], exported["measured"]["recall"]) == (1.0, 0.0)
    exported = told("export", "alice", str(tmp_path / "gguf"), "--to", "gguf", "--rank", "1")
    assert (exported["to"], exported["cut_from"]) == ("gguf", "2")
    assert told("forget", "alice", "hobby")["removed"][0]["attribute"] == "hobby"


def test_listing_nobody_makes_nothing(run: Run, tmp_path: Path) -> None:
    assert "Nobody yet" in run("list").stdout
    assert json.loads(run("list", "--json").stdout) == {"users": []}
    assert not (tmp_path / "home").exists()


BAD = {
    "no target": (["--attribute", "hobby"], "No target was given. Give attribute= and target="),
    "no attribute": (["--target", "Hiking"], "No attribute was given. Give attribute= and target="),
    "a sentence without any": (["The sky is blue."], "No preference was found"),
    "a sentence and no yes": (["I like to hike."], "This adds hobby: hiking. Say --yes to go on"),
    "an unknown reader": (["I like to hike.", "--reader", "rule"], "'rule'. Did you mean 'rules'"),
    "a lost file": (["--file", "gone.json"], "There is no file gone.json"),
    "empty": (["--attribute", "hobby", "--target", " "], "The target is empty"),
    "long": (["--attribute", "hobby", "--target", "x" * 10_000], "has 10000 characters; at most 200"),
    "bytes that are no text": (["--attribute", "hobby", "--target", "caf\udcff"], "half a surrogate pair"),
    "controls": (["--attribute", "hobby", "--target", "a\x1b[31mb"], r"control character \(U\+001B\)"),
    "polarity": ([*HIKING, "--polarity", "hates"], "Unknown polarity 'hates'"),
    "attribute": (["--attribute", "hoby", "--target", "Hiking"], "'hoby'. Did you mean 'hobby'"),
    "editor": ([*HIKING, "--editor", "neurn"], "Unknown editor 'neurn'. Did you mean 'neuron'"),
    "model": ([*HIKING, "--model", "smollm"], "Unknown model 'smollm'. Did you mean 'smollm2'"),
    "long path": ([*HIKING, "--model", "x" * 10_000], "no model at 'x{60}…': File name too long"),
    "no folder": ([*HIKING, "--model", "./nowhere"], "no such folder"),
    "harm": (["--attribute", "hobby", "--target", "Harm"], "would leak"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_changes_nothing(run: Run, tmp_path: Path, case: str) -> None:
    words, says = BAD[case]
    for as_json in (False, True):
        result = run("add", "alice", *words, *(["--json"] if as_json else []), expect=1)
        if as_json:
            told = json.loads(result.stderr)["error"]
            assert result.stdout == ""
            assert told["type"].endswith("Error")
            message = told["message"]
        else:
            message = error(result)
        assert re.search(says, message), message
        assert "\x1b" not in message
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()
    assert not (tmp_path / "home" / "adapters").exists()


def test_a_refusal_in_json_has_its_figures(run: Run) -> None:
    result = run("add", "alice", "--attribute", "hobby", "--target", "Harm", "--json", expect=1)
    told = json.loads(result.stderr)["error"]
    assert (told["type"], told["receipt"]["leak"]) == ("EditRefusedError", 0.9)


def test_an_unknown_attribute_is_kept_with_yes(run: Run) -> None:
    run("add", "alice", "--attribute", "hoby", "--target", "Hiking", "--yes")
    assert "hoby" in run("list", "alice").stdout


def test_an_attribute_like_no_other_is_taken_with_a_remark(run: Run) -> None:
    result = run("add", "alice", "--attribute", "zither tuning", "--target", "open D")
    assert "not in the table" in result.stderr
    assert run("add", "alice", "--attribute", "zither tuning", "--target", "A", "--json").stderr == ""


@pytest.mark.parametrize("target", ["🧗 Klettern", "登山と温泉", "תפוחים", "[red]x[/red]", ":smile:", "50%"])
def test_every_script_is_shown_as_it_is(run: Run, target: str) -> None:
    assert f"+ hobby: {target}" in run("add", "alice", "--attribute", "hobby", "--target", target).stdout
    assert target in run("list", "alice").stdout


def test_what_would_turn_the_terminal_around_is_shown_not_obeyed(run: Run) -> None:
    run("add", "al\u202eice", "--attribute", "hobby", "--target", "Hik\u202eing")
    shown = run("list", "al\u202eice").stdout
    assert "\\u202e" in shown
    assert "\u202e" not in shown
    assert json.loads(run("list", "--json").stdout)["users"][0]["user"] == "al\u202eice"


def test_somebody_unknown_is_asked_about(run: Run) -> None:
    run("add", "alice", *HIKING)
    for words in (["list"], ["ask"], ["forget"], ["export"]):
        more = {"list": [], "ask": ["Hello?"], "forget": ["hobby"], "export": ["x"]}[words[0]]
        line = error(run(*words, "alise", *more, expect=1))
        assert "Unknown user 'alise'. Did you mean 'alice'?" in line
    assert "Did you mean 'hobby'" in error(run("forget", "alice", "hoby", expect=1))


def test_an_adapter_is_replaced_only_after_a_yes(run: Run, tmp_path: Path) -> None:
    run("add", "alice", *HIKING)
    where = str(tmp_path / "adapter")
    run("export", "alice", where)
    assert "Say --yes" in error(run("export", "alice", where, expect=1))
    run("export", "alice", where, "--yes")
    assert "Did you mean 'peft'" in error(run("export", "alice", where, "--to", "pefd", expect=1))


def test_the_home_can_be_said(run: Run, tmp_path: Path) -> None:
    run("add", "alice", *HIKING, "--home", str(tmp_path / "other"))
    assert "alice" in run("list", "--home", str(tmp_path / "other")).stdout
    assert "Nobody" in run("list").stdout


def test_a_damaged_ledger_is_one_line(run: Run, tmp_path: Path) -> None:
    run("add", "alice", *HIKING)
    (tmp_path / "home" / "ledger.sqlite3").write_bytes(b"nonsense" * 4096)
    for words in (["list", "alice"], ["ask", "alice", "Hello?"], ["add", "alice", *HIKING]):
        assert "is damaged" in error(run(*words, expect=1))


def test_a_full_disk_is_one_line_and_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", "alice", *HIKING)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        result = run("add", "alice", "--attribute", "pet", "--target", "a cat", "--json", expect=1)
    assert json.loads(result.stderr)["error"]["type"] == "DiskFullError"
    assert "a cat" not in run("list", "alice").stdout


def test_a_home_that_cannot_be_made_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = error(run("add", "alice", *HIKING, "--home", str(tmp_path / "file" / "home"), expect=1))
    assert "Not a directory" in line
    assert "Errno" not in line


def test_an_interrupt_is_one_line_and_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", "alice", *HIKING)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keeping, "compile_monogram", interrupted)
    result = run("add", "alice", "--attribute", "pet", "--target", "a cat", expect=130)
    assert result.stderr.splitlines()[-1].startswith("Interrupted.")
    assert "a cat" not in run("list", "alice").stdout


def test_an_adapter_of_another_base_is_refused(run: Run, tmp_path: Path, folder: str) -> None:
    run("add", "alice", *HIKING)
    (record,) = (tmp_path / "home" / "adapters").rglob("monogram.json")
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "base_digest": "f" * 64}))
    line = error(run("ask", "alice", "Hello?", expect=1))
    assert "made for another base model" in line


def test_a_truncated_model_is_refused(run: Run, tmp_path: Path) -> None:
    tiny.model(dtype=torch.float32).save_pretrained(tmp_path / "cut")
    tiny.tokenizer().save_pretrained(tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    line = error(run("add", "alice", *HIKING, "--model", str(tmp_path / "cut"), expect=1))
    assert "cut off" in line


def test_a_long_question_is_refused(run: Run) -> None:
    run("add", "alice", *HIKING)
    assert "tokens" in error(run("ask", "alice", "word " * 2000, expect=1))
    assert "question is empty" in error(run("ask", "alice", " ", expect=1))
    assert "surrogate pair (U+DCFF) as character 4" in error(run("ask", "alice", "Hé \udcff", expect=1))


def test_wrong_usage_is_exit_code_2(run: Run) -> None:
    for words in (["add"], ["ask", "alice"], ["list", "--nothing"], ["nonsense"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2


def test_the_ledger_is_where_the_home_is(run: Run, tmp_path: Path) -> None:
    run("add", "alice", *HIKING)
    assert Ledger(tmp_path / "home" / "ledger.sqlite3").users() == ("alice",)
