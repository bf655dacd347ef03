"""Many people in one process: done once, gone on with where it stopped, nobody missing and nobody twice."""

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram import keeping
from monogram.bulk.roster import Wanted, read_roster
from monogram.bulk.run import Done, Plan, local, manifest_of, plan, run
from monogram.bulk.work import Outcome, Worker
from monogram.editors import chosen
from monogram.errors import ChangedMeanwhileError, DiskFullError, StoreError
from monogram.journal import Journal
from monogram.models.editable import EditableModel
from monogram.people import Personalizer
from monogram.personalizer import compile_monogram
from monogram.store.store import Store
from tests.compiled import Compiler

Rows = Sequence[dict[str, Any]]


def row(user: str, **told: str) -> dict[str, Any]:
    return {"user": user, "preferences": [{"attribute": a, "target": t} for a, t in told.items()]}


class Bulk:
    """A file, a store, and what is done with them."""

    def __init__(self, people: Personalizer, folder: Path) -> None:
        self.people, self.file = people, folder / "people.jsonl"
        self.manifest = manifest_of(self.file)

    def says(self, *rows: dict[str, Any] | str) -> None:
        lines = (r if isinstance(r, str) else json.dumps(r) for r in rows)
        self.file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def plan(self, **more: Any) -> Plan:
        base, before = self.people.model.digest, Journal.read(self.manifest)
        return plan(read_roster(self.file), self.people.store, before, base=base, **more)

    def run(self, engine: Any = None, **more: Any) -> Done:
        with Journal(self.manifest) as journal:
            return run(self.plan(**more), engine or local(self.worker), journal)

    def worker(self) -> Worker:
        return Worker(self.people, self.people.model.digest, 1)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.manifest.read_text(encoding="utf-8").splitlines()]

    def statuses(self) -> dict[str, str]:
        found = {line["key"]: line["status"] for line in self.lines()}
        assert len(found) == len(self.lines()), "somebody has two lines"
        return found


@pytest.fixture
def bulk(people: Personalizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bulk:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "models"))
    return Bulk(people, tmp_path)


def test_everybody_is_compiled_once_and_the_manifest_has_a_line_for_each(
    bulk: Bulk, compiler: Compiler
) -> None:
    bulk.says(row("bob", hobby="Chess"), "nonsense", row("alice", hobby="Hiking", diet="vegan"))
    done = bulk.run()
    assert bulk.statuses() == {"user bob": "compiled", "line 2": "failed", "user alice": "compiled"}
    assert [len(call) for call in compiler.calls] == [1, 2]
    for line in (bulk.lines()[0], bulk.lines()[2]):
        version = bulk.people.store.ledger.version(line["user"])
        assert version is not None
        assert (line["version"], line["digest"]) == (1, version.delta_digest)
        assert line["seconds"] >= 0
    assert [(p.key, p.lines) for p in done.problems] == [("line 2", (2,))]


def test_again_it_compiles_nobody_and_says_how_each_came_to_what_they_have(
    bulk: Bulk, compiler: Compiler
) -> None:
    bulk.says(row("alice", hobby="Hiking"), row("bob", hobby="Chess"))
    bulk.run()
    before = bulk.manifest.read_bytes()
    done = bulk.run(engine=never)
    assert (done.count("unchanged"), done.problems, len(compiler.calls)) == (2, [], 2)
    assert bulk.manifest.read_bytes() == before
    assert bulk.people.verify().all_faults == ()


def never(_todo: Sequence[Wanted]) -> Iterator[Outcome]:
    raise AssertionError("there is nobody to compile")


def test_what_else_was_true_stays_and_what_conflicts_is_replaced(bulk: Bulk) -> None:
    alice = bulk.people.user("alice")
    alice.add(attribute="hobby", target="Hiking")
    alice.add(attribute="job", target="nurse")
    bulk.says(row("alice", job="cook"), row("alice", job="teacher", pet="a cat"))
    bulk.run()
    assert [p.target for p in alice.list()] == ["Hiking", "teacher", "a cat"]
    assert [e.number for e in alice.history()] == [1, 2, 3]
    kinds = [
        (e.kind, e.preference and e.preference.target) for e in bulk.people.store.ledger.history("alice")
    ]
    assert kinds[2:] == [("replaced", "nurse"), ("added", "teacher"), ("added", "a cat")]


def test_another_model_other_settings_or_another_editor_compile_anew(bulk: Bulk, compiler: Compiler) -> None:
    bulk.says(row("alice", hobby="Hiking"))
    bulk.run()
    chosen.keep(bulk.people.model.digest, "neuron", {"settings": {"threshold": -0.7}})
    assert bulk.run().count("compiled") == 1
    assert bulk.run().count("unchanged") == 1
    bulk.people.editor = "memit"
    assert len(bulk.plan(editor="memit").todo) == 1
    assert bulk.run(editor="memit").count("compiled") == 1
    assert bulk.plan().todo == ()  # without one, the person's last one is as good
    assert len(plan(read_roster(bulk.file), bulk.people.store, {}, base="0" * 64).todo) == 1
    assert len(compiler.calls) == 3


def test_an_adapter_that_is_gone_or_damaged_is_made_again(bulk: Bulk) -> None:
    bulk.says(row("alice", hobby="Hiking"), row("bob", hobby="Hiking"))
    bulk.run()
    store = bulk.people.store
    before = {user: store.ledger.version(user) for user in ("alice", "bob")}
    for user, version in before.items():
        assert version is not None
        weights = Path(store.adapters.where(user, version.folder)) / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1]) if user == "alice" else weights.unlink()
    assert bulk.run().count("compiled") == 2
    for user, version in before.items():
        now = store.ledger.version(user)
        assert now is not None
        assert version is not None
        assert now.delta_digest == version.delta_digest
        assert store.delta(user, now) is not None


def test_a_refused_person_is_told_of_and_not_tried_again_for_the_same(bulk: Bulk, compiler: Compiler) -> None:
    bulk.says(row("alice", hobby="Harm"), row("bob", hobby="Chess"))
    done = bulk.run()
    assert bulk.statuses() == {"user alice": "refused", "user bob": "compiled"}
    assert "would leak" in done.problems[0].why
    before = bulk.lines()
    assert [p.status for p in bulk.run(engine=never).problems] == ["refused"]
    assert bulk.lines() == before
    assert len(bulk.plan(again=True).todo) == 1
    bulk.people.user("alice").add(attribute="pet", target="a cat")  # another set may go through
    assert len(bulk.plan().todo) == 1
    bulk.says(row("alice", hobby="Hiking"), row("bob", hobby="Chess"))
    assert bulk.run().count("compiled") == 1
    assert bulk.statuses() == {"user alice": "compiled", "user bob": "compiled"}


def test_who_is_no_longer_in_the_file_has_no_line(bulk: Bulk) -> None:
    bulk.says("nonsense", row("alice", hobby="Hiking"), row("bob", hobby="Chess"))
    bulk.run()
    bulk.says(row("bob", hobby="Chess"))
    bulk.run()
    (line,) = bulk.lines()
    assert (line["user"], line["lines"], line["status"]) == ("bob", [1], "compiled")


def test_an_error_of_one_person_stops_nobody_else(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk.says(row("alice", hobby="Hiking"), row("bob", hobby="Chess"))
    real: Callable[..., Any] = keeping.compile_monogram

    def torn(model: EditableModel, preferences: Sequence[Any], **more: Any) -> Any:
        if preferences[0].target == "Hiking":
            raise ZeroDivisionError("no")
        return real(model, preferences, **more)

    monkeypatch.setattr(keeping, "compile_monogram", torn)
    done = bulk.run()
    assert bulk.statuses() == {"user alice": "failed", "user bob": "compiled"}
    assert done.problems[0].why == "Something went wrong inside: ZeroDivisionError: no"
    monkeypatch.setattr(keeping, "compile_monogram", real)
    assert bulk.run().count("compiled") == 1


def test_a_full_disk_stops_it_and_who_was_done_stays_so(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk.says(*(row(user, hobby="Hiking") for user in ("alice", "bob", "carol")))
    real = Store.commit

    def full(self: Store, user: str, *rest: Any, **more: Any) -> Any:
        if user == "bob":
            raise DiskFullError("No room.")
        return real(self, user, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit", full)
        with pytest.raises(StoreError, match="It stopped at 'bob': No room"):
            bulk.run()
    assert bulk.statuses() == {"user alice": "compiled", "user bob": "failed"}
    done = bulk.run()
    assert (done.count("compiled"), done.count("unchanged")) == (2, 1)


def test_who_is_changed_by_somebody_else_meanwhile_is_begun_anew(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk.says(row("alice", hobby="Hiking"))
    real: Callable[..., Any] = keeping.compile_monogram
    left = [("pet", "a cat")]

    def meanwhile(*args: Any, **more: Any) -> Any:
        made = real(*args, **more)
        if left:
            attribute, target = left.pop()
            bulk.people.user("alice").add(attribute=attribute, target=target)
        return made

    monkeypatch.setattr(keeping, "compile_monogram", meanwhile)
    assert bulk.run().count("compiled") == 1
    assert {p.target for p in bulk.people.user("alice").list()} == {"Hiking", "a cat"}
    monkeypatch.setattr(Store, "commit", lambda *_, **__: lost())
    bulk.says(row("bob", hobby="Hiking"))
    (problem,) = bulk.run().problems
    assert (problem.status, problem.why) == ("failed", "somebody else")


def lost() -> None:
    raise ChangedMeanwhileError("somebody else")


def test_interrupted_it_goes_on_where_it_stopped(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, compiler: Compiler
) -> None:
    users = [f"user-{n}" for n in range(5)]
    bulk.says(*(row(user, hobby="Hiking") for user in users))
    real: Callable[..., Any] = keeping.compile_monogram

    def pressed(*args: Any, **more: Any) -> Any:
        if len(compiler.calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "compile_monogram", pressed)
        with pytest.raises(KeyboardInterrupt):
            bulk.run()
    assert list(bulk.statuses()) == ["user user-0", "user user-1"]
    assert bulk.run().count("compiled") == 3
    assert list(bulk.statuses()) == [f"user {user}" for user in users]
    assert [bulk.people.store.ledger.head(user) for user in users] == [1] * 5


def test_killed_between_the_store_and_the_manifest_nobody_is_missing_or_twice(
    bulk: Bulk, compiler: Compiler
) -> None:
    bulk.says(row("alice", hobby="Hiking"), row("bob", hobby="Chess"))
    bulk.run()
    whole = bulk.manifest.read_bytes()
    for size in range(0, len(whole), 37):
        bulk.manifest.write_bytes(whole[:size])
        bulk.run()
        assert set(bulk.statuses()) == {"user alice", "user bob"}
        assert [line["digest"] for line in bulk.lines()] == [
            json.loads(line)["digest"] for line in whole.splitlines()
        ]
    assert len(compiler.calls) == 2


def test_who_never_came_back_is_told_of(bulk: Bulk) -> None:
    bulk.says(row("alice", hobby="Hiking"), row("bob", hobby="Chess"))
    done = bulk.run(engine=lambda todo: map(bulk.worker(), todo[1:]))
    assert [(p.user, "died each time" in p.why) for p in done.problems] == [("alice", True)]


def test_a_model_that_is_another_one_by_now_stops_it(bulk: Bulk) -> None:
    bulk.says(row("alice", hobby="Hiking"))
    with pytest.raises(StoreError, match="another digest"):
        bulk.run(engine=local(lambda: Worker(bulk.people, "0" * 64, 1)))
    assert bulk.people.users() == ()


def test_each_is_compiled_with_as_many_threads_as_were_asked_for(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk.says(row("alice", hobby="Hiking"))
    real: Callable[..., Any] = keeping.compile_monogram
    seen = list[int]()

    def counted(*args: Any, **more: Any) -> Any:
        seen.append(torch.get_num_threads())
        return real(*args, **more)

    monkeypatch.setattr(keeping, "compile_monogram", counted)
    bulk.run(local(lambda: Worker(bulk.people, bulk.people.model.digest, 3)))
    assert (seen, torch.get_num_threads()) == ([3], 1)


def test_the_cost_is_what_has_to_be_compiled_at_the_pace_of_before(bulk: Bulk) -> None:
    bulk.people.user("zoe").add(attribute="hobby", target="Hiking")
    bulk.says(
        row("zoe", hobby="Hiking", pet="a cat"), *(row(f"u{n}", hobby="Chess", job="cook") for n in "123")
    )
    todo = bulk.plan()
    assert (len(todo.todo), todo.preferences, todo.pace) == (4, 7, None)
    bulk.run()
    assert bulk.plan(again=True).preferences == 0
    assert bulk.plan().pace is not None


@pytest.mark.slow  # the real editor, which reads the corpus on the tiny model first
def test_with_the_real_editor_the_deltas_are_those_of_add_and_hang_on_no_order(
    model: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "models"))
    monkeypatch.setattr(keeping, "compile_monogram", functools.partial(compile_monogram, check=False))
    rows = [row(f"u{n}", hobby=h, pet="a cat") for n, h in enumerate(("Hiking", "Chess", "Pottery"))]
    digests = []
    for name, told in (("one", rows), ("other", rows[::-1])):
        (tmp_path / name).mkdir()
        bulk = Bulk(Personalizer(model, Store(tmp_path / name)), tmp_path / name)
        bulk.says(*told)
        bulk.run()
        digests.append({line["user"]: line["digest"] for line in bulk.lines()})
    assert digests[0] == digests[1]
    assert len(set(digests[0].values())) == 3
    by_hand = Personalizer(model, Store(tmp_path / "hand")).user("u1")
    by_hand.add(attribute="pet", target="a cat")
    by_hand.add(attribute="hobby", target="Chess")
    assert by_hand.delta().digest == digests[0]["u1"]
