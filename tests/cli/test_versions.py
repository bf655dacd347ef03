"""history, rollback, erase and verify as somebody types them, on a tiny model in a folder."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from monogram.store.ledger import Ledger
from tests.cli.program import COMMAND, Run, environment
from tests.cli.terminal import terminal
from tests.compiled import Compiler
from tests.store.test_erasing import traces


@pytest.fixture
def lived(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Version 1: Reykjavik. 2: Reykjavik, a cat. 3: Boston, a cat."""
    monkeypatch.setenv("COLUMNS", "200")
    for attribute, target in (("location", "Reykjavik"), ("pet", "a cat"), ("location", "Boston")):
        run("add", "alice", "--attribute", attribute, "--target", target)
    return run


def told(result: Result) -> Any:
    assert result.stderr == ""
    return json.loads(result.stdout)


def held(run: Run) -> set[str]:
    return {p["target"] for p in told(run("list", "alice", "--json"))["preferences"]}


def test_history_shows_what_changed_and_what_is_present(lived: Run) -> None:
    lived("rollback", "alice", "1")
    shown = lived("history", "alice").stdout
    for text in ("+ location: Reykjavik", "- location: Reykjavik", "back to version 1:", "4 (present)"):
        assert text in shown
    assert "recall 1.00" in shown
    assert "monogram rollback alice N" in shown
    versions = told(lived("history", "alice", "--json"))["versions"]
    assert [(v["number"], v["present"], v["erased"]) for v in versions] == [
        (1, False, False),
        (2, False, False),
        (3, False, False),
        (4, True, False),
    ]
    assert [change["kind"] for change in versions[2]["changes"]] == ["replaced", "added"]
    assert versions[3]["changes"][0] == {"kind": "rolled back", "restored": 1}
    assert versions[3]["version"]["receipt"]["recall"] == 1.0


def test_rollback_goes_one_back_and_can_itself_be_undone(lived: Run, compiler: Compiler) -> None:
    back = lived("rollback", "alice")
    assert "Going back to version 2" in back.stderr
    assert "- location: Boston\n+ location: Reykjavik\nversion 4: recall 1.00" in back.stdout
    assert held(lived) == {"Reykjavik", "a cat"}
    again = told(lived("rollback", "alice", "--json"))
    assert (again["version"], again["restored"], again["receipt"]["recall"]) == (5, 3, 1.0)
    assert held(lived) == {"Boston", "a cat"}
    assert "nothing was changed" in lived("rollback", "alice", "5").stdout
    assert len(compiler.calls) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rollback", "alice", "9"], "Unknown version of 'alice' '9'"),
        (["rollback", "alise"], "Unknown user 'alise'. Did you mean 'alice'?"),
        (["history", "alise"], "Unknown user 'alise'. Did you mean 'alice'?"),
        (["erase", "alise", "pet"], "Unknown user 'alise'. Did you mean 'alice'?"),
        (["erase", "alice", "pot"], "Unknown preference of 'alice' 'pot'. Did you mean 'pet'?"),
        (["verify", "alise"], "Unknown user 'alise'. Did you mean 'alice'?"),
        (["erase", "alice", "pet"], "Say --yes to go on. Nothing was changed."),
        (["erase", "alice", "--all"], "Say --yes to go on. Nothing was changed."),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(lived: Run, words: list[str], says: str) -> None:
    result = lived(*words, expect=1)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert says in line
    error = json.loads(lived(*words, "--json", expect=1).stderr)["error"]
    assert says in error["message"]
    assert len(told(lived("history", "alice", "--json"))["versions"]) == 3


def test_what_is_erased_is_gone_for_good(lived: Run, tmp_path: Path) -> None:
    done = lived("erase", "alice", "Reykjavik", "--yes")
    assert done.stdout == "Erased for good: 1 preference and 2 versions. Version 4 is present.\n"
    assert "Compiling" not in done.stderr
    assert traces(tmp_path / "home", "Reykjavik") == []
    assert "something it held was erased" in lived("history", "alice").stdout
    assert "is gone" in lived("rollback", "alice", "2", expect=1).stderr
    present = lived("erase", "alice", "pet", "--yes")
    assert "Compiling 1 preference" in present.stderr
    assert held(lived) == {"Boston"}
    assert told(lived("erase", "alice", "Boston", "--yes", "--json")) == {
        "user": "alice",
        "erased": 1,
        "versions": [5],
        "version": 6,
    }
    assert traces(tmp_path / "home", "a cat", "Boston") == []
    assert lived("verify").stdout == "alice: 1 version whole, 1 rebuilt to the bit\n"


@pytest.mark.parametrize("what", ["Reykjavik", "--all"])
def test_ctrl_c_after_an_erasure_has_landed_is_told_as_that(
    lived: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "rewrite", interrupted)
        stopped = lived("erase", "alice", what, "--yes", expect=130)
    assert "It is erased from the ledger" in stopped.stderr
    assert "changed nothing" not in stopped.stderr
    lived("verify")
    assert traces(tmp_path / "home", "Reykjavik") == []


def test_a_person_is_erased_with_their_id(lived: Run, tmp_path: Path) -> None:
    done = lived("erase", "alice", "--all", "--yes")
    assert done.stdout == "Erased for good: 3 preferences and 3 versions.\n"
    assert traces(tmp_path / "home", "alice", "Boston") == []
    assert "Nobody is here" in lived("verify").stdout


def test_erasing_says_what_or_all_but_not_both(run: Run) -> None:
    for words in (["erase", "alice"], ["erase", "alice", "pet", "--all"]):
        assert "--all for the whole person" in run(*words, expect=2).stderr


def test_at_a_terminal_erasing_asks_first(lived: Run, folder: str, tmp_path: Path) -> None:
    command = [*COMMAND, "erase", "alice", "pet", "--model", folder]
    for answer, code in (("n\n", 1), ("y\n", 0)):
        with terminal(command, environment(tmp_path / "home")) as seen:
            seen.until("Go on?")
            seen.type(answer)
            assert seen.ended(60) == code, seen.shown
        assert ("a cat" in held(lived)) is (code == 1)


def test_verify_says_what_is_whole_and_what_it_costs(lived: Run) -> None:
    found = lived("verify", "alice")
    assert "Rebuilding 1 version with 2 preferences on " in found.stderr
    assert "40 to 120 s on two cores" in found.stderr
    assert found.stdout == "alice: 3 versions whole, 1 rebuilt to the bit\n"
    everything = told(lived("verify", "--all-versions", "--json"))
    assert everything["good"] is True
    assert everything["people"][0]["rebuilt"] == [1, 2, 3]


def test_verify_has_one_line_for_each_fault_and_exit_code_1(lived: Run, tmp_path: Path) -> None:
    (first, *_) = Ledger(tmp_path / "home" / "ledger.sqlite3").versions("alice")
    (weights,) = (tmp_path / "home" / "adapters").glob(f"*/{first.folder}/adapter_model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    found = lived("verify", "alice", expect=1)
    (line,) = found.stdout.splitlines()
    assert line.startswith("alice: version 1: The adapter of version 1 of 'alice' is damaged")
    record = json.loads(lived("verify", "--json", expect=1).stdout)
    assert (record["good"], len(record["people"][0]["faults"])) == (False, 1)


def test_an_interrupted_erasure_is_finished_by_the_next_command(
    lived: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "rewrite", interrupted)
        assert "Interrupted." in lived("erase", "alice", "Reykjavik", "--yes", expect=130).stderr
    assert held(lived) == {"Boston", "a cat"}
    lived("ask", "alice", "Hello?", "--max-new-tokens", "2")
    assert traces(tmp_path / "home", "Reykjavik") == []


def test_an_interrupted_rollback_changes_nothing(lived: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monogram.store.store.Store.again", interrupted)
    assert "Interrupted." in lived("rollback", "alice", expect=130).stderr
    assert held(lived) == {"Boston", "a cat"}


def test_people_in_the_old_place_stay_there_and_one_line_says_so(folder: str, tmp_path: Path) -> None:
    told = environment(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"), XDG_DATA_HOME=str(tmp_path / "data"))
    add = [*COMMAND, "add", "alice", "-a", "pet", "-t", "a cat", "--model", folder]
    subprocess.run(add, env={**told, "MONOGRAM_HOME": str(tmp_path / "cache" / "monogram")}, check=True)
    del told["MONOGRAM_HOME"]
    old = subprocess.run([*COMMAND, "list", "alice"], env=told, capture_output=True, text=True)
    assert "a cat" in old.stdout
    assert old.stderr.count("\n") == 1
    assert old.stderr.startswith(f"People are kept in {tmp_path / 'cache' / 'monogram'}, a cache")
    move = old.stderr.split("runs: ")[1]
    subprocess.run(["sh", "-c", move], check=True)
    new = subprocess.run([*COMMAND, "verify", "--model", folder], env=told, capture_output=True, text=True)
    assert new.stdout == "alice: 1 version whole, 1 rebuilt to the bit\n"
    assert "cache" not in new.stderr
    assert (tmp_path / "data" / "monogram" / "ledger.sqlite3").exists()
