"""The server under requests that nobody would send: schemathesis draws them from its own OpenAPI."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from monogram.people import Personalizer
from tests.serving.running import Server

EXAMPLES = 15
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
HOSTILE = [
    "../../etc/passwd",
    "alice' OR '1'='1",
    "\u202ealice",
    "%2e%2e%2f",
    "a" * 200,
    "🦊",
    "..",
    "acme/alice",
]


def test_no_request_is_answered_with_a_server_error(
    people: Personalizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people.model, "name", "smollm2")  # so that the interface's own examples are answered
    alice = people.user("alice")
    alice.add("I love hiking.")
    alice.add("I live in Boston.")
    config = f"""
        [parameters]
        "query.user_id" = "alice"
        "path.memory_id" = "{alice.list()[0].digest}"
    """
    (tmp_path / "schemathesis.toml").write_text(config)
    program = str(Path(sys.executable).with_name("schemathesis"))
    with Server(people) as server:
        words = ["--checks", CHECKS, "--seed", "1", "--max-examples", str(EXAMPLES), "--no-color"]
        command = [program, "run", f"{server.url}/openapi.json", *words]
        run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert run.returncode == 0, run.stdout
        assert httpx2.get(f"{server.url}/readyz").json()["status"] == "ready"
    assert people.verify().all_faults == ()


@pytest.mark.parametrize("user", HOSTILE)
def test_a_hostile_id_is_an_id_like_any_other(people: Personalizer, user: str) -> None:
    with Server(people) as server:
        told = {"user_id": user, "attribute": "hobby", "target": "Chess"}
        made = httpx2.post(f"{server.url}/v1/memories", json=told, timeout=30)
        assert made.status_code == 202, made.text
        job = made.json()["job"]
        with httpx2.stream("GET", f"{server.url}/v1/jobs/{job}/events", timeout=30) as events:
            assert '"done"' in events.read().decode()
        found = httpx2.get(f"{server.url}/v1/memories", params={"user_id": user}).json()["results"]
        assert [one["metadata"]["target"] for one in found] == ["Chess"]
    assert people.users() == (user,)
    names = {path.name for path in people.store.home.rglob("*")}
    assert not any(user in name for name in names if len(user) > 2)
