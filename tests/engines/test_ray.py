"""Real Ray: many people on two workers are who they are in one process, to the bit, killed or not.

The real editor on a tiny random model, its settings found for it (a neuron that never fires harms nobody, so
that random weights pass the check); the real command in processes of an environment that has Ray.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pytest
import torch

from monogram.clusters.table import table
from monogram.editors import chosen
from monogram.models.editable import EditableModel
from monogram.people import Personalizer
from monogram.store.ledger import Ledger
from monogram.store.store import Store
from tests import tiny
from tests.cli.program import environment
from tests.engines.where import python_of

pytestmark = pytest.mark.slow  # five hundred people, twice; Ray, which takes 10 s to start, ten times
SETTINGS = {"threshold": -100.0, "company": 0, "asks": 1, "advice": 1, "value.steps": 2}
MANY, KILLED, KILLS = 500, 24, 5


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a model, and settings for it."""
    path = tmp_path_factory.mktemp("ray")
    made = tiny.editable(dtype=torch.float32, num_hidden_layers=1, max_position_embeddings=4096)
    made.model.save_pretrained(path / "model")
    made.tokenizer.save_pretrained(path / "model")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MONOGRAM_HOME", str(path / "home"))
        chosen.keep(EditableModel.load(str(path / "model")).digest, "neuron", {"settings": SETTINGS})
        yield path


def people(path: Path, count: int) -> Path:
    """A file of people, each with a delta of their own: another attribute, or another first letter, for the
    value step reads no more of a target's many bytes; so none of an attribute whose opening names it late.
    """
    names = [told.name for told in table() if told.polarity != "avoids"]
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            told = {"attribute": names[n // 26], "target": f"{ascii_uppercase[n % 26]}{n}ing"}
            file.write(json.dumps({"user": f"person-{n:03d}", "preferences": [told]}) + "\n")
    return path


class Command:
    """`monogram compile` in the environment that has Ray."""

    def __init__(self, place: Path, file: Path) -> None:
        self.place, self.file = place, file
        self.python = python_of("ray")
        self.told = environment(place / "home")

    def begin(self, store: Path, *words: str) -> "subprocess.Popen[str]":
        program = [str(self.python), "-c", "from monogram.cli import main; main()"]
        command = [*program, "compile", str(self.file), "--model", str(self.place / "model")]
        command += ["--out", str(store), "--manifest", f"{store}.jsonl", "--yes", "--json", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self.told, text=True, start_new_session=True, **pipes)  # type: ignore

    def run(self, store: Path, *words: str, code: int = 0) -> dict[str, Any]:
        with self.begin(store, *words) as process:
            out, err = process.communicate(timeout=1500)
        assert (process.returncode, err) == (code, ""), err
        told: dict[str, Any] = json.loads(out)
        return told


def manifest(store: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{store}.jsonl").read_text(encoding="utf-8").splitlines()]


def kept(store: Path) -> dict[str, str]:
    """Everybody's digest, as the ledger says; each has one version, and it is whole."""
    found, whole = {}, Store(store)
    for user in whole.ledger.users():
        (version,) = whole.ledger.versions(user)
        assert whole.delta(user, version) is not None
        found[user] = version.delta_digest
    return found


def test_five_hundred_people_on_two_workers_are_those_of_one_process_to_the_bit(
    place: Path, tmp_path: Path
) -> None:
    command = Command(place, people(tmp_path / "people.jsonl", MANY))
    told = {
        "one": command.run(tmp_path / "one"),
        "two": command.run(tmp_path / "two", "--engine", "ray", "--workers", "2"),
    }
    digests = {name: kept(tmp_path / name) for name in told}
    assert digests["one"] == digests["two"]
    assert len(set(digests["one"].values())) == MANY
    for name, summary in told.items():
        assert (summary["compiled"], summary["problems"]) == (MANY, [])
        lines = manifest(tmp_path / name)
        assert [line["user"] for line in lines] == [f"person-{n:03d}" for n in range(MANY)]
        assert {line["user"]: line["digest"] for line in lines} == digests[name]
    assert command.run(tmp_path / "two")["unchanged"] == MANY, "and it is the same to go on without Ray"
    model = EditableModel.load(str(place / "model"))
    report = Personalizer(model, Store(tmp_path / "two")).verify("person-007", f"person-{MANY - 1:03d}")
    assert [one.faults for one in report.people] == [(), ()]


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_killed_at_random_and_gone_on_with_nobody_is_missing_or_twice(
    place: Path, tmp_path: Path, engine: str
) -> None:
    command, rng = Command(place, people(tmp_path / "people.jsonl", KILLED)), random.Random(7)
    words = ["--engine", engine, *(["--workers", "2"] if engine == "ray" else [])]
    store = tmp_path / "store"
    seen = set[int]()
    for _ in range(KILLS):
        before = count(store)
        process = command.begin(store, *words)
        goal = before + rng.randrange(1, 5)
        end = time.monotonic() + 120
        while count(store) < goal and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.5)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        seen.add(count(store))
        if count(store) == KILLED:
            break
    assert len(seen) > 2, "it was not killed in the middle"
    command.run(store, *words)
    digests = kept(store)
    assert sorted(digests) == [f"person-{n:03d}" for n in range(KILLED)]
    lines = manifest(store)
    assert [line["user"] for line in lines] == sorted(digests)
    assert {line["user"]: line["digest"] for line in lines} == digests
    command.run(tmp_path / "whole")
    assert kept(tmp_path / "whole") == digests


def test_a_worker_that_dies_is_replaced_and_its_person_tried_again(place: Path, tmp_path: Path) -> None:
    command = Command(place, people(tmp_path / "people.jsonl", 12))
    process = command.begin(tmp_path / "store", "--engine", "ray", "--workers", "2")
    end = time.monotonic() + 120
    while count(tmp_path / "store") < 2 and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(actors(process.pid)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["compiled"] + told["unchanged"] == 12
    assert len(kept(tmp_path / "store")) == 12


def actors(driver: int) -> list[int]:
    """The processes of Ray's actors below a process."""
    table = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()[1:]]
    below, found = {driver}, list[int]()
    for _ in range(10):
        below |= {int(pid) for pid, parent, _ in rows if int(parent) in below}
    for pid, _, args in rows:
        if int(pid) in below and "MapWorker" in args:
            found.append(int(pid))
    return found


def count(store: Path) -> int:
    """How many people are kept."""
    return len(Ledger(store / "ledger.sqlite3").users())
