"""What Ray runs, without Ray: an actor's batches, and what is refused. `tests/engines` has the real one."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.bulk.pool import DEATHS, Actor, Setup, at_once, refuse_own_disks
from monogram.bulk.roster import Wanted
from monogram.bulk.work import Outcome
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.store.store import Store
from tests import tiny
from tests.compiled import Compiler

ALICE = Wanted("alice", (Preference("hobby", "Hiking"),), (1,))


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: Compiler) -> Setup:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))
    folder = str(tmp_path / "model")
    tiny.model(dtype=torch.float32).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return Setup(folder, EditableModel.load(folder).digest, None, tmp_path / "store", None, 1)


def first(actor: Actor, *people: Wanted) -> Outcome:
    batch: dict[str, Any] = {"wanted": [wanted.to_json() for wanted in people]}
    return next(Outcome.from_json(text) for text in actor(batch)["outcome"])


def test_an_actor_is_a_worker_that_speaks_in_text(setup: Setup) -> None:
    actor = Actor(setup, {}, lambda user: 0)
    outcome = first(actor, ALICE)
    version = Store(setup.out).ledger.version("alice")
    assert version is not None
    assert (outcome.status, outcome.version, outcome.digest) == ("compiled", 1, version.delta_digest)
    assert first(actor, ALICE).status == "unchanged"


def test_it_is_told_where_things_are(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOGRAM_LEDGER", "")  # so that it is put back afterwards
    first(Actor(setup, {"MONOGRAM_LEDGER": str(tmp_path / "elsewhere.sqlite3")}, lambda user: 0), ALICE)
    assert os.environ["MONOGRAM_LEDGER"]
    assert (tmp_path / "elsewhere.sqlite3").exists()


def test_a_worker_that_cannot_be_made_says_why_and_ends_the_run(setup: Setup, tmp_path: Path) -> None:
    broken = Setup(str(tmp_path / "nowhere"), setup.base, None, setup.out, None, 1)
    outcome = first(Actor(broken, {}, lambda user: 0), ALICE)
    assert (outcome.status, outcome.lasting) == ("failed", True)
    assert "A worker could not be made: There is no model at" in outcome.why


def test_who_killed_so_many_workers_is_not_tried_again(setup: Setup, compiler: Compiler) -> None:
    outcome = first(Actor(setup, {}, lambda user: DEATHS), ALICE)
    assert (outcome.status, outcome.lasting, compiler.calls) == ("failed", False, [])
    assert f"died {DEATHS} times" in outcome.why


def test_people_of_several_machines_need_a_place_in_common(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_own_disks(1, Store(tmp_path))
    with pytest.raises(InputError, match=r"2 machines, and people would be kept in .*ledger.sqlite3"):
        refuse_own_disks(2, Store(tmp_path))
    monkeypatch.setenv("MONOGRAM_LEDGER", "postgresql://nobody@localhost/people")
    with pytest.raises(InputError, match=r"kept in .*adapters, each machine's own"):
        refuse_own_disks(2, Store(tmp_path))
    monkeypatch.setenv("MONOGRAM_ADAPTERS", f"file://{tmp_path}/adapters")
    refuse_own_disks(2, Store(tmp_path))


def test_there_is_room_for_one_worker_at_least() -> None:
    assert at_once(1) == len(os.sched_getaffinity(0))
    assert at_once(10**6) == 1
