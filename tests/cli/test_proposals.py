"""`add` with plain words: what is found is shown, and taken after a yes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from monogram.cli import output, proposals
from monogram.store.ledger import Ledger
from tests.cli.program import Run
from tests.clusters.standin import KEY, MODEL, running
from tests.compiled import Compiler

SAID = "I love hiking in my spare time, I have two dogs, and I'm allergic to peanuts."
CHAT = [
    {"role": "user", "content": "Hi! I moved to Boston. Do you know it?"},
    {"role": "assistant", "content": "I love Boston! I have a cat there."},
    {"role": "user", "content": "If I had a cat I'd be happy. I'm a nurse."},
]


@pytest.fixture
def add(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`add` for alice, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")

    def typed(*words: str, **more: Any) -> Result:
        return run("add", "alice", *words, **more)

    return typed


@pytest.fixture
def held(tmp_path: Path) -> Callable[[], list[tuple[str, str]]]:
    ledger = Ledger(tmp_path / "home" / "ledger.sqlite3")
    return lambda: [(p.attribute, p.target) for p in ledger.present("alice")]


Held = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is there to be asked."""
    for room in (output, proposals):
        monkeypatch.setattr(room, "interactive", lambda: True)
    monkeypatch.setattr("monogram.cli.shared.interactive", lambda: True)


def test_a_sentence_is_added_after_yes(add: Run, held: Held) -> None:
    result = add(SAID, "--yes")
    assert [line for line in result.stdout.splitlines() if line.startswith("+")] == [
        "+ hobby: hiking",
        "+ pet: two dogs",
        "+ allergy: peanuts",
    ]
    assert held() == [("hobby", "hiking"), ("pet", "two dogs"), ("allergy", "peanuts")]


def test_a_dry_run_shows_and_changes_nothing(add: Run, compiler: Compiler, tmp_path: Path) -> None:
    shown = add(SAID, "--dry-run").stdout
    for word in ("hobby", "hiking", "pet", "two dogs", "allergy", "peanuts", "avoids", "new"):
        assert word in shown
    told = json.loads(add(SAID, "--dry-run", "--json").stdout)
    assert told["dry_run"] is True
    assert [p["target"] for p in told["proposals"]] == ["hiking", "two dogs", "peanuts"]
    assert told["proposals"][2]["polarity"] == "avoids"
    assert told["proposals"][0]["statement"] == SAID
    assert json.loads(add("--attribute", "hobby", "--target", "x", "--dry-run", "--json").stdout)["proposals"]
    assert compiler.calls == []
    assert not (tmp_path / "home").exists()


def test_somebody_who_is_there_sees_it_and_is_asked(add: Run, held: Held, somebody: None) -> None:
    refused = add(SAID, input="n\n", expect=1)
    assert "two dogs" in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert "hiking" not in refused.stdout
    assert held() == []
    add(SAID, input="y\n")
    assert len(held()) == 3


def test_nobody_there_and_no_yes_is_said_in_one_line(add: Run, tmp_path: Path) -> None:
    for more in ([], ["--json"]):
        result = add(SAID, *more, expect=1)
        assert result.stdout == ""
        assert "Say --yes to go on. Nothing was changed." in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "home" / "ledger.sqlite3").exists()


def test_a_conversation_is_read_from_a_file(add: Run, held: Held, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(CHAT))
    add("--file", str(file), "--yes")
    assert held() == [("location", "Boston"), ("profession", "nurse")]
    file.write_text(json.dumps([{"role": "assistant", "content": "I love tea."}]))
    assert "No preference was found" in add("--file", str(file), "--yes", expect=1).stderr
    file.write_text(json.dumps([{"who": "me"}]))
    assert "has no 'role' and 'content'" in add("--file", str(file), expect=1).stderr


def test_what_it_replaces_and_what_is_known_is_shown(add: Run, held: Held, compiler: Compiler) -> None:
    add("I live in Rome and I have two dogs.", "--yes")
    shown = add("I moved to Boston. I have 2 dogs.", "--dry-run").stdout
    assert "instead of location: Rome" in shown
    assert "known already: pet: two dogs" in shown
    told = json.loads(add("I moved to Boston. I have 2 dogs.", "--yes", "--json").stdout)
    assert [p["target"] for p in told["known"]] == ["two dogs"]
    assert [p["target"] for p in told["removed"]] == ["Rome"]
    assert held() == [("pet", "two dogs"), ("location", "Boston")]
    again = add("I have two dogs!")  # nothing new, so nobody is asked
    assert "known already (pet: two dogs); nothing was changed" in again.stdout
    assert len(compiler.calls) == 2


def test_a_language_model_reads_over_http(add: Run, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="the extra `llm` is not installed")
    entry = {"attribute": "hobby", "target": "zorbing", "polarity": "likes", "quote": "zorbing is my jam"}
    monkeypatch.setenv("MONOGRAM_LLM_MODEL", MODEL)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with running(json.dumps({"preferences": [entry]}), *["nonsense"] * 3) as stand:
        monkeypatch.setenv("OPENAI_BASE_URL", stand.url)
        add("Yo, zorbing is my jam.", "--reader", "llm", "--yes")
        assert held() == [("hobby", "zorbing")]
        result = add("I love tea.", "--reader", "llm", "--yes", "--json", expect=1)
    assert json.loads(result.stderr)["error"]["type"] == "ReaderError"
    assert held() == [("hobby", "zorbing")]


@pytest.mark.parametrize("words", [[], ["I love tea.", "--file", "chat.json"]])
def test_neither_or_both_is_wrong_usage(add: Run, words: list[str]) -> None:
    assert "give a sentence, or --file" in add(*words, expect=2).stderr


def test_texts_are_shown_never_obeyed(add: Run) -> None:
    shown = add("I love \x1b[31mtea and [bold]cake[/bold].", "--dry-run").stdout
    assert "\x1b" not in shown
    assert "[bold]cake[/bold]" in shown
