"""import and export --to yaml: shown before it is done, only what is missing, in one version, and exact."""

import json
from pathlib import Path
from typing import Any

import pytest

from monogram.store.ledger import Ledger
from tests.cli.program import Run
from tests.compiled import Compiler

ALICE = """\
user: alice
preferences:
- {attribute: hobby, target: Hiking, said: I hike.}
- {attribute: job, target: nurse}
- {attribute: allergy, target: peanuts}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "alice.yaml"
    path.write_text(ALICE, encoding="utf-8")
    return path


def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "home" / "ledger.sqlite3")


def test_a_profile_goes_in_and_comes_out_the_same(run: Run, file: Path, tmp_path: Path) -> None:
    told = run("import", str(file), "--yes")
    assert "alice: 3 new, 0 to go, 0 stay." in told.stderr
    assert "+ hobby: Hiking" in told.stdout
    assert "version 1: recall 1.00" in told.stdout
    out = tmp_path / "out.yaml"
    assert "a profile of 3 preferences" in run("export", "alice", "--to", "yaml", str(out)).stdout
    run("import", str(out), "--user", "bob", "--yes")
    assert ledger(tmp_path).present("bob") == ledger(tmp_path).present("alice")
    run("export", "bob", "--to", "yaml", str(tmp_path / "bob.yaml"))
    assert (tmp_path / "bob.yaml").read_text() == out.read_text().replace("user: alice", "user: bob")


def test_only_what_is_missing_is_added_all_in_one_version(
    run: Run, file: Path, tmp_path: Path, compiler: Compiler
) -> None:
    run("add", "alice", "--attribute", "hobby", "--target", "Hiking")
    run("add", "alice", "--attribute", "profession", "--target", "teacher")
    told = run("import", str(file), "--yes")
    assert "alice: 2 new, 1 to go, 1 stay." in told.stderr
    assert "- profession: teacher" in told.stdout
    assert "version 3" in told.stdout
    assert len(compiler.calls) == 3
    assert [p.target for p in ledger(tmp_path).present("alice")] == ["Hiking", "nurse", "peanuts"]
    again = run("import", str(file), "--yes", "--model", "/nowhere")  # no model is needed to see that
    assert "Nothing was changed." in again.stdout
    assert ledger(tmp_path).head("alice") == 3


def test_a_dry_run_and_a_missing_yes_change_nothing(run: Run, file: Path, tmp_path: Path) -> None:
    dry = run("import", str(file), "--dry-run", "--model", "/nowhere")
    assert "+ allergy: peanuts" in dry.stderr
    assert "Nothing was changed." in dry.stdout
    assert "Say --yes to go on" in run("import", str(file), expect=1).stderr
    assert not (tmp_path / "home").exists()


def test_json_is_all_there_is_on_stdout(run: Run, file: Path, tmp_path: Path) -> None:
    def told(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.stderr == ""
        return json.loads(result.stdout)

    dry = told("import", str(file), "--dry-run")
    assert (dry["dry_run"], len(dry["added"]), dry["unchanged"], dry["version"]) == (True, 3, False, None)
    assert ledger(tmp_path).users() == ()
    done = told("import", str(file), "--yes")
    assert (done["user"], len(done["added"]), done["version"]) == ("alice", 3, 1)
    assert done["receipt"]["recall"] == 1.0
    assert told("import", str(file), "--yes")["unchanged"] is True
    out = told("export", "alice", "--to", "yaml", str(tmp_path / "out.yaml"))
    assert (out["preferences"], out["bytes"]) == (3, (tmp_path / "out.yaml").stat().st_size)
    failed = run("import", str(tmp_path / "none.yaml"), "--json", expect=1)
    assert json.loads(failed.stderr)["error"]["type"] == "InputError"


WRONG = {
    "field": (ALICE.replace("target: nurse", "targt: nurse"), "line 4, preference 2: Unknown field 'targt'"),
    "contradiction": (
        ALICE + "- {attribute: profession, target: cook}\n",
        "contradicts itself about job: nurse",
    ),
    "harm": (ALICE + "- {attribute: pet, target: Harm}\n", "would leak"),
    "user": (ALICE.replace("alice", "' a'"), "begins or ends with a blank"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_and_nothing_is_added(
    run: Run, file: Path, tmp_path: Path, case: str
) -> None:
    text, says = WRONG[case]
    file.write_text(text, encoding="utf-8")
    result = run("import", str(file), "--yes", expect=1)
    assert says in result.stderr.splitlines()[-1]
    assert ledger(tmp_path).users() == ()


def test_a_file_is_replaced_only_after_a_yes(run: Run, file: Path, tmp_path: Path) -> None:
    run("import", str(file), "--yes")
    before = file.read_text()
    assert "Say --yes" in run("export", "alice", "--to", "yaml", str(file), expect=1).stderr
    assert file.read_text() == before
    run("export", "alice", "--to", "yaml", str(file), "--yes", "--model", "/nowhere")
    assert file.read_text() != before
    assert "is a folder" in run("export", "alice", "--to", "yaml", str(tmp_path), expect=1).stderr
    assert "Unknown user 'bob'" in run("export", "bob", "--to", "yaml", "x.yaml", expect=1).stderr
    assert (
        "there is no folder"
        in run("export", "alice", "--to", "yaml", str(tmp_path / "a" / "b"), expect=1).stderr
    )
    assert list(tmp_path.glob(".*")) == []


def test_memories_of_mem0_come_in_by_their_metadata(run: Run, tmp_path: Path) -> None:
    told = {"attribute": "hobby", "target": "cricket"}
    rows = [
        {"id": "1", "memory": "Likes to play cricket", "user_id": "alice", "metadata": told},
        {"id": "2", "memory": "I am an assistant", "user_id": "alice", "role": "assistant"},
    ]
    path = tmp_path / "mem0.json"
    path.write_text(json.dumps({"results": rows, "next": "page=2"}), encoding="utf-8")
    result = run("import", str(path), "--from", "mem0", "--yes")
    assert "+ hobby: cricket" in result.stdout
    assert "1 memories are of an assistant" in result.stderr
    assert "one page of several" in result.stderr
    (kept,) = ledger(tmp_path).present("alice")
    assert kept.statement == "Likes to play cricket"


def test_an_unknown_format_is_asked_about(run: Run, file: Path) -> None:
    assert "Did you mean 'mem0'" in run("import", str(file), "--from", "mem", expect=1).stderr
