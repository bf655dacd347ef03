"""Changes are jobs: one after the other, begun anew where somebody else was faster, never lost in silence."""

import threading
from typing import Any

import pytest

from monogram.errors import BusyError
from monogram.people import Personalizer
from monogram.serving.edits import Edits


def test_a_change_that_lost_a_race_is_begun_anew(
    people: Personalizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, commit = Edits(people), people.store.commit
    faster = {"game": "Chess", "drink": "Tea"}

    def raced(user: str, changes: Any, *args: Any, **more: Any) -> Any:
        if faster and changes[0][1].target == "Hiking":
            attribute, target = faster.popitem()
            people.user(user).add(attribute=attribute, target=target)
        return commit(user, changes, *args, **more)

    monkeypatch.setattr(people.store, "commit", raced)
    state = edits.begin("alice", lambda person: person.add(attribute="hobby", target="Hiking")).wait(20)
    edits.close()
    assert (state.stage, state.why) == ("done", "")
    assert {p.target for p in people.user("alice").list()} == {"Hiking", "Chess", "Tea"}


def test_what_waits_is_bounded_and_closing_finishes_it(people: Personalizer) -> None:
    edits, gate = Edits(people, queue=2), threading.Event()

    def slow(person: Any) -> Any:
        gate.wait(20)
        return person.add(attribute="hobby", target="Hiking")

    jobs = [edits.begin(name, slow) for name in ("a", "b")]
    with pytest.raises(BusyError, match="2 changes wait"):
        edits.begin("c", slow)
    assert edits.waiting == 2
    gate.set()
    edits.close()
    assert [job.state.stage for job in jobs] == ["done", "done"]
    assert people.users() == ("a", "b")
    with pytest.raises(BusyError, match="shutting down"):
        edits.begin("c", slow)


def test_an_error_inside_ends_the_job_and_not_the_worker(people: Personalizer) -> None:
    edits = Edits(people)

    def broken(person: Any) -> Any:
        raise KeyError("/secret/path")

    state = edits.begin("a", broken).wait(20)
    assert (state.stage, state.why) == ("failed", "Something went wrong inside: KeyError.")
    assert (
        edits.begin("a", lambda person: person.add(attribute="hobby", target="Tea")).wait(20).stage == "done"
    )
    edits.close()
