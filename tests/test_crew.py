"""Many things at once: no more than allowed, failures told apart, an end that waits for what is under way."""

import threading
import time

import pytest

from monogram.crew import PATIENCE, together
from monogram.errors import AnswerError, EndpointError, InputError


def test_no_more_run_at_once_than_allowed_and_all_are_told_of() -> None:
    running, most, seen, lock = 0, 0, list[tuple[str, int, int]](), threading.Lock()

    def work(_key: int, _job: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    jobs = dict.fromkeys(range(12), 0)
    assert together(work, jobs, at_once=3, progress=lambda *told: seen.append(told), what="asking") == {}
    assert most == 3
    assert seen == [("asking", done, 12) for done in range(1, 13)]


def test_what_fails_is_named_and_the_rest_goes_on() -> None:
    def work(key: int, _job: int) -> None:
        if key == 3:
            raise EndpointError("busy")
        if key == 4:
            raise AnswerError("refused")

    failed = together(work, dict.fromkeys(range(8), 0), at_once=2)
    assert {key: str(error) for key, error in failed.items()} == {3: "busy", 4: "refused"}


@pytest.mark.parametrize(
    ("error", "begun"),
    [
        (EndpointError("no key", lasting=True), 1),
        (InputError("a bug of ours"), 1),
        (EndpointError("no server"), PATIENCE),
    ],
)
def test_it_stops_where_nothing_more_can_come(error: Exception, begun: int) -> None:
    tried = []

    def work(key: int, _job: int) -> None:
        tried.append(key)
        time.sleep(0.01)
        raise error

    with pytest.raises(type(error), match=str(error)):
        together(work, dict.fromkeys(range(50), 0), at_once=1)
    assert begun <= len(tried) <= begun + 2  # one or two were begun while it was noticed


def test_bad_answers_are_no_sign_that_the_server_is_gone() -> None:
    def work(_key: int, _job: int) -> None:
        raise AnswerError("refused")

    assert len(together(work, dict.fromkeys(range(3 * PATIENCE), 0), at_once=2)) == 3 * PATIENCE


def test_ctrl_c_waits_for_what_is_under_way_and_begins_nothing_new() -> None:
    finished, begun = [], threading.Event()

    def work(key: int, _job: int) -> None:
        if key == 0:
            return
        begun.set()
        time.sleep(0.2)
        finished.append(key)

    def press(*_: object) -> None:
        begun.wait()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together(work, dict.fromkeys(range(40), 0), at_once=2, progress=press)
    assert 1 <= len(finished) <= 3
