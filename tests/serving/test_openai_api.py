"""The official client, unchanged, against the server."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from monogram.people import Personalizer
from tests.serving.running import QUESTION, Server

MESSAGES: Any = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def server(people: Personalizer) -> Iterator[Server]:
    people.user("alice").add(attribute="hobby", target="Hiking")
    people.user("bob").add(attribute="hobby", target="Chess")
    with Server(people) as running:
        yield running


def test_the_person_is_the_field_or_stands_after_the_model(server: Server) -> None:
    name = server.service.name
    (model,) = server.client.models.list().data
    assert model.id == name
    asked: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 12}
    by_field = server.client.chat.completions.create(model=name, user="alice", **asked)
    by_name = server.client.chat.completions.create(model=f"{name}:alice", **asked)
    nobody = server.client.chat.completions.create(model=name, **asked)
    texts = [made.choices[0].message.content for made in (by_field, by_name, nobody)]
    assert texts == [server.alone("alice", 12), server.alone("alice", 12), server.alone(None, 12)]
    assert texts[0] != texts[2]
    assert by_field.usage is not None
    assert by_field.usage.prompt_tokens == len(server.service.chat_ids(MESSAGES))
    assert by_field.choices[0].finish_reason in ("stop", "length")


def test_a_stream_is_the_same_answer_in_pieces(server: Server) -> None:
    stream = server.client.chat.completions.create(
        model=server.service.name,
        user="bob",
        messages=MESSAGES,
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == server.alone("bob", 16)
    assert len(chunks) > 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens <= 16


def test_texts_are_gone_on_with(server: Server) -> None:
    made = server.client.completions.create(
        model=server.service.name, prompt=["Once upon", "There was"], max_tokens=6, user="alice"
    )
    assert [choice.index for choice in made.choices] == [0, 1]
    assert made.usage is not None
    assert made.usage.completion_tokens <= 12
    streamed = server.client.completions.create(
        model=server.service.name, prompt="Once upon", max_tokens=6, user="alice", stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in streamed) == made.choices[0].text


def test_a_seed_says_the_same_again(server: Server) -> None:
    def said(seed: int) -> str | None:
        made = server.client.chat.completions.create(
            model=server.service.name, messages=MESSAGES, temperature=1.0, seed=seed, max_tokens=12
        )
        return made.choices[0].message.content

    assert said(5) == said(5)
    assert said(5) != said(6)


def test_many_people_at_once_get_their_own(server: Server) -> None:
    whose = ["alice", None, "bob"] * 6
    expected = {user: server.alone(user, 20) for user in ("alice", "bob", None)}

    def ask(user: str | None) -> str | None:
        more: dict[str, Any] = {} if user is None else {"user": user}
        made = server.client.chat.completions.create(
            model=server.service.name, messages=MESSAGES, max_tokens=20, **more
        )
        return made.choices[0].message.content

    with ThreadPoolExecutor(len(whose)) as pool:
        assert list(pool.map(ask, whose)) == [expected[user] for user in whose]


def test_a_change_shows_in_the_next_request(server: Server) -> None:
    def said() -> str | None:
        made = server.client.chat.completions.create(
            model=server.service.name, messages=MESSAGES, user="alice", max_tokens=12
        )
        return made.choices[0].message.content

    before = said()
    server.people.user("alice").add(attribute="hobby", target="Sailing")
    assert said() == server.alone("alice", 12) != before
    server.people.user("alice").forget("hobby")
    assert said() == server.alone(None, 12)


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"model": "gpt-4"}, 404, "Unknown model 'gpt-4'"),
        ({"user": "a\x00b"}, 400, "control"),
        ({"model": "tiny-llama:bob", "user": "alice"}, 400, "two people"),
        ({"temperature": 3}, 400, "temperature"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "wizard", "content": "?"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages.0.content"),
        ({"n": 2}, 400, "n:"),
        ({"tools": [{}]}, 400, "'tools' is not done"),
        ({"response_format": {"type": "json_object"}}, 400, "response format"),
        ({"stop": ["a"] * 9}, 400, "stop texts"),
        ({"messages": [{"role": "user", "content": "long " * 5000}]}, 400, "Shorten it"),
    ],
)
def test_what_cannot_be_done_is_explained(
    server: Server, given: dict[str, Any], status: int, said: str
) -> None:
    for stream in (False, True):
        body = {"model": server.service.name, "messages": MESSAGES, "stream": stream, **given}
        answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body)
        assert answer.status_code == status, answer.text
        assert said in answer.json()["error"]["message"]


def test_one_more_than_may_wait_is_a_429(people: Personalizer) -> None:
    with Server(people, rows=1, queue=1) as server:

        async def ask() -> list[int]:
            body = {"model": server.service.name, "messages": MESSAGES, "max_tokens": 60}
            async with httpx2.AsyncClient(timeout=60) as client:
                every = [client.post(f"{server.url}/v1/chat/completions", json=body) for _ in range(12)]
                return [answer.status_code for answer in await asyncio.gather(*every)]

        found = asyncio.run(ask())
        assert set(found) == {200, 429}


def test_who_hangs_up_makes_room(people: Personalizer) -> None:
    with Server(people, rows=1) as server:
        body = {"model": server.service.name, "messages": MESSAGES, "max_tokens": 2000, "stream": True}
        with httpx2.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=30) as answer:
            next(answer.iter_lines())
        deadline = time.time() + 20
        while server.service.answers.load.running and time.time() < deadline:
            time.sleep(0.02)
        assert server.service.answers.load.running == 0
