"""Real vLLM: two replicas behind the gateway give the embedded engine's answers, and let go of what is past.

Two servers of the embedded model in an environment of their own (`make engines`), on the CPU.
"""

import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

import monogram
from monogram import files
from monogram.delta import Delta, LowRank
from monogram.people import Personalizer
from monogram.preferences import Preference
from monogram.serving.names import name_of
from monogram.store.folder import folder_name, shelf_name
from monogram.store.store import Store
from tests.engines.where import python_of
from tests.serving.running import Server

pytestmark = [pytest.mark.slow, pytest.mark.model]  # starts real servers, and compiles for real: minutes
KEY = "sesame"
KNOWN = {"hobby": "pottery", "pet": "a parrot", "job": "a baker"}
QUESTIONS = (
    "What's my hobby?",
    "What pet do I have?",
    "What do I do for a living?",
    "Tell me about the moon.",
)
LONGEST = 24


@dataclass(frozen=True)
class Kept:
    """A change as the store takes it."""

    delta: Delta
    base_digest: str
    editor: str = "neuron"
    settings: str = ""
    receipt: None = None


@dataclass
class Replica:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def call(self, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{self.url}{path}"
        if body:
            return httpx2.post(url, json=body, headers=headers, timeout=300)
        return httpx2.get(url, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Personalizer:
    """Forty people: some compiled for real, the others with sums of these, so that no two have the same."""
    base = monogram.load("smollm2")
    home = tmp_path_factory.mktemp("people")
    people = Personalizer(base.model, Store(home))
    made: list[tuple[Preference, Delta]] = []
    for attribute, target in KNOWN.items():
        person = people.user(f"real-{attribute}")
        person.add(attribute=attribute, target=target)
        made.append((person.list()[0], person.delta()))
    shares = itertools.product((0.0, 0.5, 0.8, 1.0), repeat=len(made))
    for number, share in enumerate(itertools.islice((s for s in shares if any(s)), 37)):
        total = sum((delta * s for s, (_, delta) in zip(share, made, strict=True) if s), Delta.zero())
        _keep(people, f"crowd-{number}", made[0][0], total)
    return people


@contextmanager
def replica(home: Path, port: int, log: Path) -> Iterator[Replica]:
    program = python_of("vllm").with_name("monogram")
    told = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "MONOGRAM_HOME": str(home),
        "VLLM_API_KEY": KEY,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "MONOGRAM_SPOOL": str(log.parent),
    }
    model = str(files.home() / "models" / "smollm2")
    more = ["--enforce-eager", "--max-model-len", "1024"]
    command = [str(program), "vllm", model, "--port", str(port), "--held", "16", "--", *more]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=told, stdout=out, stderr=out, start_new_session=True)
    try:
        yield Replica(process, f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def pair(people: Personalizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Replica, Replica]]:
    with ExitStack() as stack:
        logs = tmp_path_factory.mktemp("vllm")
        one, two = (
            stack.enter_context(replica(people.store.home, _free(), logs / f"{n}.log")) for n in range(2)
        )
        for each in (one, two):
            _until(lambda each=each: _there(each))
        yield one, two


@pytest.fixture
def gateway(people: Personalizer, pair: tuple[Replica, Replica]) -> Iterator[Server]:
    with Server(people, upstreams=tuple(one.url for one in pair), upstream_key=KEY) as running:
        _until(lambda: httpx2.get(f"{running.url}/readyz").json()["replicas"] == 2)
        yield running


@pytest.fixture(scope="module")
def embedded(people: Personalizer) -> dict[tuple[str | None, str], str]:
    """What the embedded engine says to everybody's question, and to nobody's."""
    with Server(people) as server:
        asked = _asked(people)
        return dict(zip(asked, _all(server, asked), strict=True))


def test_forty_people_at_once_get_their_own_answers(
    gateway: Server, people: Personalizer, embedded: dict[tuple[str | None, str], str]
) -> None:
    asked = _asked(people)
    assert len({user for user, _ in asked if user}) == 40
    for said in (_all(gateway, asked), _all(gateway, asked)):
        differ = [one for one, text in zip(asked, said, strict=True) if text != embedded[one]]
        assert len(differ) <= 0.05 * len(asked), differ
        for (user, question), text in zip(asked, said, strict=True):
            others = {embedded[one] for one in asked if one[1] == question and one[0] != user}
            assert text == embedded[user, question] or text not in others
    assert len(set(embedded.values())) > 15  # or nobody would tell one from another


def test_what_is_forgotten_is_gone_from_every_replica(
    gateway: Server, people: Personalizer, pair: tuple[Replica, Replica]
) -> None:
    question = QUESTIONS[0]
    ids = people.model.chat_ids(question)
    person = people.user("real-hobby")
    old = name_of(person.name, people.store.ledger.version(person.name))

    def directly(one: Replica, name: str) -> str:
        asked = {"model": name, "prompt": ids, "max_tokens": 12, "temperature": 0}
        return str(one.call("/v1/completions", **asked).json()["choices"][0]["text"])

    plain = _ask(gateway, None, question)
    assert all("ottery" in directly(one, old) for one in pair)
    (memory,) = httpx2.get(f"{gateway.url}/v1/memories", params={"user_id": person.name}).json()["results"]
    deleted = httpx2.delete(f"{gateway.url}/v1/memories/{memory['id']}", params={"user_id": person.name})
    place = f"{gateway.url}/v1/jobs/{deleted.json()['job']}"
    _until(lambda: httpx2.get(place).json()["status"] == "done")
    assert _ask(gateway, person.name, question) == plain
    for one in pair:
        told = directly(one, old)
        assert "ottery" not in told
        assert plain.startswith(told.strip())
    person.rollback()  # by another process than the gateway's: it shows in the next request
    assert "ottery" in _ask(gateway, person.name, question)


def test_what_is_no_adapter_of_ours_is_refused_and_the_engine_lives(
    gateway: Server, people: Personalizer, pair: tuple[Replica, Replica]
) -> None:
    one = pair[0]
    real = people.user("real-pet").delta()
    name, factor = next(iter(real.factors.items()))
    left, right = factor.left, factor.right
    bad = {
        "holds numbers that are not finite": Delta({name: LowRank(left * float("nan"), right)}),
        "Its rank is 10000": Delta({name: LowRank(left.repeat(1, 10_000), right.repeat(10_000, 1))}),
        "has no place for": Delta({name.replace(".24.", ".3."): factor}),
    }
    names = {why: _hidden(people, delta) for why, delta in bad.items()}
    names["was made for another base model"] = _hidden(people, real, "0" * 64)
    cut = _hidden(people, real * 0.7)
    weights = people.store.adapters.root / cut.split("-")[1] / cut.split("-")[2] / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    names["is truncated or has grown"] = cut
    for why, called in [*names.items(), ("There is no adapter '../../etc/passwd'", "../../etc/passwd")]:
        answer = one.call("/v1/completions", model=called, prompt=[1, 2], max_tokens=1)
        assert answer.status_code == 404, answer.text
        assert why in one.log.read_text(), why
    assert "parrot" in _ask(gateway, "real-pet", QUESTIONS[1])
    assert one.call("/health").status_code == 200


def test_routes_that_ask_for_no_key_are_not_there(pair: tuple[Replica, Replica]) -> None:
    for path in ("/invocations", "/v1/load_lora_adapter", "/v1/chat/completions", "/tokenize"):
        assert pair[0].call(path, model="monogram-nobody", prompt="x").status_code == 404
    for path in ("/v1/monogram", "/v1/models"):
        assert httpx2.get(f"{pair[0].url}{path}").status_code == 401


def test_one_that_is_killed_under_load_loses_no_answer(
    gateway: Server,
    people: Personalizer,
    pair: tuple[Replica, Replica],
    embedded: dict[tuple[str | None, str], str],
) -> None:
    asked, before = _asked(people), gateway.service.answers.tokens
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(_all, gateway, asked)
        _until(lambda: gateway.service.answers.tokens > before + 100)
        os.killpg(pair[0].process.pid, signal.SIGKILL)
        said = begun.result()
    differ = [one for one, text in zip(asked, said, strict=True) if text != embedded[one]]
    assert gateway.service.answers.figures["answers_saved_total"][1] > 0
    assert len(differ) <= 0.05 * len(asked), differ


def _asked(people: Personalizer) -> list[tuple[str | None, str]]:
    asked = [(user, QUESTIONS[n % len(QUESTIONS)]) for n, user in enumerate(sorted(people.users()))]
    return [one for one in asked if one[0] != "mallory"] + [(None, question) for question in QUESTIONS]


def _all(server: Server, asked: list[tuple[str | None, str]]) -> list[str]:
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: _ask(server, *one), asked))


def _ask(server: Server, user: str | None, question: str) -> str:
    messages: Any = [{"role": "user", "content": question}]
    known: Any = {} if user is None else {"user": user}
    made = server.client.chat.completions.create(
        model=server.service.name, messages=messages, max_tokens=LONGEST, **known
    )
    return made.choices[0].message.content or ""


def _keep(people: Personalizer, user: str, what: Preference, delta: Delta) -> None:
    change: Any = [("added", what)]
    people.store.commit(user, change, Kept(delta, people.model.digest), after=0, base_name="tests")


def _hidden(people: Personalizer, delta: Delta, base_digest: str = "") -> str:
    """The name of an adapter that no compiler made, with all its digests right."""
    digest = base_digest or people.model.digest
    people.store.adapters.save("mallory", delta, base_name="x", base_digest=digest)
    return f"monogram-{shelf_name('mallory')}-{folder_name(digest, delta)}-{'0' * 8}"


def _there(one: Replica) -> bool:
    if one.process.poll() is not None:
        raise AssertionError(one.log.read_text()[-3000:])
    try:
        return bool(one.call("/health").status_code == 200)
    except httpx2.HTTPError:
        return False


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _until(true: Any, seconds: float = 300) -> None:
    deadline = time.time() + seconds
    while not true():
        assert time.time() < deadline
        time.sleep(0.1)
