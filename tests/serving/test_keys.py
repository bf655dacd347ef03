"""Keys: shown once, kept as digests, dead when revoked; each tenant has its own people, and nobody else's."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from typer.testing import CliRunner

from monogram.cli.app import app
from monogram.errors import InputError, StoreError, UnknownNameError
from monogram.people import Personalizer
from monogram.serving.door import prepare
from monogram.serving.guard import Bucket
from monogram.serving.keys import Keys
from tests.serving.running import QUESTION, Server
from tests.serving.test_memory_api import done


def test_a_key_is_kept_as_a_digest_alone_and_revoked_at_once(tmp_path: Path) -> None:
    keys, other = Keys(tmp_path), Keys(tmp_path)
    (one, secret), (_, second) = keys.add("acme"), keys.add("globex")
    assert (other.tenant(secret), other.tenant(second), other.tenant(secret[:-1])) == ("acme", "globex", None)
    text = keys.path.read_text()
    assert secret not in text
    assert keys.path.stat().st_mode & 0o077 == 0
    assert keys.revoke(one.id) == one
    assert (other.tenant(secret), other.tenant(second)) == (None, "globex")
    with pytest.raises(UnknownNameError):
        keys.revoke(one.id)
    for bad in ("", "A", "a/b", "../x", "a" * 41, "-a"):
        with pytest.raises(InputError, match="cannot be a tenant"):
            keys.add(bad)
    keys.path.write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        keys.all()


def test_the_commands_make_list_and_revoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))

    def run(*words: str) -> Any:
        result = CliRunner().invoke(app, ["keys", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "no keys" in run("list")
    made = json.loads(run("add", "acme", "--json"))
    assert Keys(tmp_path).tenant(made["key"]) == "acme"
    assert made["id"] in run("list")
    assert made["key"] not in run("list") + run("list", "--json")
    assert "no key any more" in run("revoke", made["id"])
    assert Keys(tmp_path).all() == ()
    assert "lets nobody in" in run("list")


@pytest.fixture
def server(people: Personalizer) -> Iterator[Server]:
    with Server(people) as running:
        yield running


def asked(server: Server, secret: str | None, how: str, where: str, **more: Any) -> httpx2.Response:
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    return httpx2.request(how, f"{server.url}{where}", headers=headers, timeout=30, **more)


def test_from_the_first_key_on_every_request_needs_one(server: Server) -> None:
    assert asked(server, None, "GET", "/v1/models").status_code == 200
    _, secret = Keys(server.people.store.home).add("acme")
    for wrong in (None, "mg-nope", secret + "x"):
        refused = asked(server, wrong, "GET", "/v1/models")
        assert refused.status_code == 401
        assert "API key" in refused.json()["error"]["message"]
    assert asked(server, secret, "GET", "/v1/models").status_code == 200
    assert asked(server, None, "GET", "/healthz").status_code == 200
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=secret, max_retries=0)
    assert client.models.list().data
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0).models.list()


def test_a_tenant_reaches_its_own_people_and_nobody_elses(server: Server, people: Personalizer) -> None:
    keys = Keys(people.store.home)
    acme, globex = keys.add("acme")[1], keys.add("globex")[1]
    body = {"user_id": "alice", "messages": "I love hiking."}
    begun = asked(server, acme, "POST", "/v1/memories", json=body).json()
    state: dict[str, Any] = {"status": ""}
    while state["status"] not in ("done", "failed", "refused"):
        state = asked(server, acme, "GET", f"/v1/jobs/{begun['job']}").json()
    assert (state["status"], state["user_id"]) == ("done", "alice")
    assert people.users() == ("acme/alice",)
    assert asked(server, globex, "GET", f"/v1/jobs/{begun['job']}").status_code == 404
    (memory,) = asked(server, acme, "GET", "/v1/memories?user_id=alice").json()["results"]
    assert memory["user_id"] == "alice"
    for user in ("alice", "acme/alice", "../acme/alice"):
        for how, where in (
            ("GET", "/v1/memories"),
            ("GET", "/v1/memories/history"),
            ("GET", "/v1/memories/export"),
            ("GET", f"/v1/memories/{memory['id']}"),
            ("DELETE", f"/v1/memories/{memory['id']}"),
            ("DELETE", "/v1/memories"),
            ("POST", "/v1/memories/rollback"),
        ):
            answer = asked(server, globex, how, where, params={"user_id": user})
            assert answer.status_code == 404, (how, where, user)
            assert "hiking" not in answer.text
    chat = {
        "model": server.service.name,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": 12,
    }

    def said(secret: str, user: str) -> str:
        answer = asked(server, secret, "POST", "/v1/chat/completions", json={**chat, "user": user}).json()
        return str(answer["choices"][0]["message"]["content"])

    assert said(acme, "alice") == server.alone("acme/alice", 12)
    assert said(globex, "alice") == said(globex, "acme/alice") == server.alone(None, 12)


def test_the_audit_tells_who_did_what_and_no_text(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "monogram.audit"):
        body = {"user_id": "alice", "messages": "I love hiking."}
        done(server, asked(server, None, "POST", "/v1/memories", json=body).json())
        asked(server, None, "GET", "/v1/memories?user_id=alice")
        asked(server, None, "GET", "/v1/memories?user_id=nobody")
        for _ in range(500):  # a line comes after its answer
            lines = [json.loads(r.message) for r in caplog.records if r.name == "monogram.audit"]
            if lines and lines[-1]["status"] == 404:
                break
            time.sleep(0.01)
    assert (lines[0]["tenant"], lines[0]["method"], lines[0]["status"]) == ("", "POST", 202)
    assert lines[0]["route"].endswith("/memories")
    assert (lines[-2]["status"], lines[-1]["status"]) == (200, 404)
    assert lines[-2]["user"] == lines[0]["user"] != lines[-1]["user"]
    assert not any(word in caplog.text.lower() for word in ("hiking", "alice", "nobody"))


def test_more_than_the_rate_is_a_429_and_a_large_request_a_413(people: Personalizer) -> None:
    with Server(people, rate=3) as server:
        found = [asked(server, None, "GET", "/v1/models").status_code for _ in range(5)]
        assert found == [200, 200, 200, 429, 429]
    with Server(people) as server:
        assert asked(server, None, "POST", "/v1/memories", content=b" " * 2_000_001).status_code == 413

        def pieces() -> Iterator[bytes]:
            yield from (b" " * 100_000 for _ in range(21))

        assert asked(server, None, "POST", "/v1/memories", content=pieces()).status_code in (400, 413)


def test_a_bucket_fills_with_time() -> None:
    bucket = Bucket(60)
    assert [bucket.take() for _ in range(61)] == [True] * 60 + [False]
    bucket.at -= 2
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_other_machines_need_a_key_or_a_word(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="monogram keys add TENANT"):
        prepare("no such model", host="0.0.0.0", port=0, home=tmp_path)
