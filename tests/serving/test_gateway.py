"""Answers from replicas are the embedded engine's; a dead replica loses none; what is past is let go of."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from monogram.delta import load_adapter
from monogram.people import Personalizer
from monogram.serving.names import NOBODY, name_of
from tests.serving.running import QUESTION, Server
from tests.serving.standin import StandIn

MESSAGES: Any = [{"role": "user", "content": QUESTION}]
KEY = "sesame"


@pytest.fixture
def pair(people: Personalizer, tmp_path: Path) -> Iterator[tuple[StandIn, StandIn]]:
    for name, target in {"alice": "Hiking", "bob": "Chess", "carol": "Tea"}.items():
        people.user(name).add(attribute="hobby", target=target)
    with StandIn(people, tmp_path / "1", KEY) as one, StandIn(people, tmp_path / "2", KEY) as two:
        yield one, two


@pytest.fixture
def gateway(people: Personalizer, pair: tuple[StandIn, StandIn]) -> Iterator[Server]:
    with Server(people, upstreams=tuple(one.url for one in pair), upstream_key=KEY) as running:
        _until(lambda: _state(running)["replicas"] == 2)
        yield running


def ask(server: Server, user: str | None, longest: int = 12, **more: Any) -> str:
    model = server.service.name
    known: Any = {} if user is None else {"user": user}
    made = server.client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=longest, **known, **more
    )
    return made.choices[0].message.content or ""


def test_everybody_gets_what_the_embedded_engine_says(gateway: Server, people: Personalizer) -> None:
    with Server(people) as embedded:
        for user in ("alice", "bob", "carol", "nobody", None):
            assert ask(gateway, user) == ask(embedded, user) == embedded.alone(user, 12)
    assert ask(gateway, "alice") != ask(gateway, None)


def test_a_seed_a_stop_and_a_stream_mean_what_they_mean_there(gateway: Server, people: Personalizer) -> None:
    said = ask(gateway, "alice", 24)
    stop = said[3:5]
    with Server(people) as embedded:
        for more in ({"stop": [stop]}, {"temperature": 1.0, "seed": 3}):
            assert ask(gateway, "alice", 24, **more) == ask(embedded, "alice", 24, **more)
    stream = gateway.client.chat.completions.create(
        model=gateway.service.name, user="alice", messages=MESSAGES, max_tokens=24, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == said


def test_a_person_keeps_to_one_replica_and_people_are_spread(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    for number in range(12):
        people.user(f"p{number}").add(attribute="hobby", target=f"Thing {number}")
        for _ in range(2):
            ask(gateway, f"p{number}", 1)
    asked = [{one["model"] for one in replica.asked} for replica in pair]
    assert not asked[0] & asked[1]
    assert all(asked)


def test_only_opaque_names_go_to_a_replica_and_every_version_has_another(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    alice = people.user("alice")
    ask(gateway, "alice", 1)
    alice.forget("hobby")
    ask(gateway, "alice", 1)
    alice.add(attribute="hobby", target="Hiking")  # the adapter is what it was, to the bit
    ask(gateway, "alice", 1)
    names = [asked["model"] for replica in pair for asked in replica.asked]
    assert len(set(names)) == 3
    assert NOBODY in names
    assert not any("alice" in name for name in names)
    one, two = (name for name in sorted(set(names)) if name != NOBODY)
    assert one.rpartition("-")[0] == two.rpartition("-")[0]


def test_a_replica_that_breaks_off_is_gone_on_with_by_another(
    gateway: Server, pair: tuple[StandIn, StandIn]
) -> None:
    whole = {user: ask(gateway, user, 16) for user in ("alice", "bob", "carol")}
    for replica in pair:
        replica.break_after = 5
        for user, said in whole.items():
            _until(lambda: _state(gateway)["replicas"] == 2)
            assert ask(gateway, user, 16) == said
        replica.break_after = None
    assert gateway.service.answers.figures["answers_saved_total"][1] == 3  # each is at home at one of them


def test_one_that_vanishes_under_load_loses_no_request(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    users = ["alice", "bob", "carol"]
    alone = {user: gateway.alone(user, 16) for user in users}
    for replica in pair:
        replica.slow = 0.01
    with ThreadPoolExecutor(8) as pool:
        said = [pool.submit(ask, gateway, users[n % 3], 16) for n in range(24)]
        _until(lambda: max(one.written for one in pair) > 20)
        max(pair, key=lambda one: one.written).stop()
        assert [one.result() for one in said] == [alone[users[n % 3]] for n in range(24)]


def test_without_any_replica_it_is_busy_and_not_ready(gateway: Server, pair: tuple[StandIn, StandIn]) -> None:
    for replica in pair:
        replica.stop()
    with pytest.raises(openai.RateLimitError):
        ask(gateway, "alice")
    _until(lambda: httpx2.get(f"{gateway.url}/readyz").status_code == 503)


def test_a_busy_replica_hands_on_and_all_busy_is_429(gateway: Server, pair: tuple[StandIn, StandIn]) -> None:
    said = ask(gateway, "alice")
    pair[0].status = 503
    assert ask(gateway, "alice") == said
    pair[1].status = 429
    with pytest.raises(openai.RateLimitError):
        ask(gateway, "alice")
    assert _state(gateway)["replicas"] == 2  # busy is not gone


def test_a_prompt_that_the_engine_refuses_is_the_clients_to_mend(
    gateway: Server, pair: tuple[StandIn, StandIn]
) -> None:
    for replica in pair:
        replica.status = 400
    with pytest.raises(openai.BadRequestError, match="does not take this request: as it was told"):
        ask(gateway, "alice")


def test_a_key_that_is_refused_hands_on(gateway: Server, pair: tuple[StandIn, StandIn]) -> None:
    said = ask(gateway, "alice")
    for one, other in (pair, pair[::-1]):
        one.status, other.status = 401, 0
        assert ask(gateway, "alice") == said


def test_who_is_erased_between_the_ledger_and_the_engine_is_nobody(
    gateway: Server, people: Personalizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, real = ask(gateway, None), people.store.ledger.version
    seen = []

    def erased_after(user: str) -> Any:
        found = real(user)
        if not seen:
            seen.append(found)
            people.user(user).erase_all()
        return found

    monkeypatch.setattr(gateway.service.people.store.ledger, "version", erased_after)
    assert ask(gateway, "alice") == plain
    assert seen


def test_a_replica_of_another_model_or_key_is_never_asked(people: Personalizer, tmp_path: Path) -> None:
    people.user("alice").add(attribute="hobby", target="Hiking")
    with (
        StandIn(people, tmp_path / "1", KEY, digest="0" * 64) as other,
        StandIn(people, tmp_path / "2", "another key") as closed,
        Server(people, upstreams=(other.url, closed.url), upstream_key=KEY) as gateway,
    ):
        time.sleep(0.5)
        with pytest.raises(openai.RateLimitError):
            ask(gateway, "alice")
        assert not other.asked + closed.asked


def test_when_a_change_is_done_no_replica_has_what_was(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    old = name_of("alice", people.store.ledger.version("alice"))
    for replica in pair:
        replica.spool.put(old)  # as after one of them was away
    before = ask(gateway, "alice")
    kept = httpx2.get(f"{gateway.url}/v1/memories", params={"user_id": "alice"}).json()["results"]
    place = f"{gateway.url}/v1/memories/{kept[0]['id']}"
    job = httpx2.delete(place, params={"user_id": "alice", "erase": "true"}).json()["job"]
    _until(lambda: httpx2.get(f"{gateway.url}/v1/jobs/{job}").json()["status"] == "done")
    for replica in pair:
        assert not replica.spool.held
        folder = replica.spool.put(old)  # what the engine would read now
        assert folder is not None
        assert _changes_nothing(folder)
    assert ask(gateway, "alice") == ask(gateway, None) != before


def test_a_change_by_another_process_is_let_go_of_when_the_person_asks_next(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    ask(gateway, "alice")
    old = name_of("alice", people.store.ledger.version("alice"))
    people.user("alice").add(attribute="hobby", target="Knitting")
    assert ask(gateway, "alice") == gateway.alone("alice", 12)
    _until(lambda: not any(old in held for one in pair for held in one.spool.held.values()))


def test_an_answer_that_was_begun_is_finished_with_what_it_began_with(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    said = ask(gateway, "alice", 24)
    for replica in pair:
        replica.slow = 0.05
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(ask, gateway, "alice", 24)
        _until(lambda: _state(gateway)["running"] == 1)
        changed = threading.Thread(
            target=lambda: (people.user("alice").forget("hobby"), gateway.service.answers.changed("alice"))
        )
        changed.start()
        assert begun.result() == said
        changed.join()
    assert not any(one.spool.held for one in pair)


def test_what_a_replica_does_not_take_is_an_error_and_no_answer(
    gateway: Server, people: Personalizer, pair: tuple[StandIn, StandIn]
) -> None:
    version = people.store.ledger.version("alice")
    assert version is not None
    folder = people.store.adapters.where("alice", version.folder)
    weights = Path(folder) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(openai.APIStatusError) as found:
        ask(gateway, "alice")
    assert found.value.status_code >= 400
    assert ask(gateway, "bob") == gateway.alone("bob", 12)


def test_too_many_at_once_are_refused(people: Personalizer, pair: tuple[StandIn, StandIn]) -> None:
    pair[0].slow = 0.05
    with Server(people, upstreams=(pair[0].url,), upstream_key=KEY, rows=1, queue=1) as gateway:
        _until(lambda: _state(gateway)["replicas"] == 1)
        with ThreadPoolExecutor(2) as pool:
            begun = [pool.submit(ask, gateway, user, 24) for user in ("alice", "bob")]
            _until(lambda: _state(gateway)["running"] == 2)
            with pytest.raises(openai.RateLimitError):
                ask(gateway, "carol")
            assert [one.result() for one in begun] == [gateway.alone(user, 24) for user in ("alice", "bob")]


def _changes_nothing(folder: Path) -> bool:
    return load_adapter(folder).norm() == 0


def _state(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{server.url}/readyz").json()
    return found


def _until(true: Any, seconds: float = 20) -> None:
    deadline = time.time() + seconds
    while not true():
        assert time.time() < deadline
        time.sleep(0.02)
