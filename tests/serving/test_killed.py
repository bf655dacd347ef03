"""A server that is killed (SIGKILL) at random moments under writes: what it said was done is there, nothing
else is, and the next one starts by itself.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch

from monogram.people import Personalizer
from monogram.store.store import Store
from tests import tiny
from tests.cli.program import environment
from tests.compiled import Compiler

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL there")
KILLS = int(os.environ.get("MONOGRAM_TEST_KILLS", "12"))
USERS = ("alice", "bob")


@pytest.fixture(scope="module")
def forks() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.serving.forked"]
    told = environment(Path(os.devnull))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=told)
    yield process
    process.communicate(timeout=30)


def started(forks: "subprocess.Popen[str]", home: Path) -> tuple[int, str]:
    """Process id and URL of a server that takes requests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(json.dumps({"home": str(home), "port": port}) + "\n")
    forks.stdin.flush()
    child, url = int(forks.stdout.readline()), f"http://127.0.0.1:{port}"
    for _ in range(1000):
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return child, url
        except httpx2.HTTPError:
            time.sleep(0.02)
    raise AssertionError("the server never took requests")


class Writer(threading.Thread):
    """Adds one thing after the other to somebody until the server is gone."""

    def __init__(self, url: str, user: str, first: int) -> None:
        super().__init__(daemon=True)
        self.url, self.user, self.number = url, user, first
        self.done: list[str] = []
        self.begun: list[str] = []

    def run(self) -> None:
        try:
            while True:
                target = f"creature-{self.number:04d}"
                self.number += 1
                self.begun.append(target)
                told = {"user_id": self.user, "attribute": "pet", "target": target}
                made = httpx2.post(f"{self.url}/v1/memories", json=told, timeout=30)
                if made.status_code == 400 and "is the most" in made.text:
                    return
                while (state := self._state(made.json()["job"])) in ("queued", "working"):
                    time.sleep(0.001)
                assert state == "done", state
                self.done.append(target)
        except (httpx2.HTTPError, ValueError):
            return  # killed

    def _state(self, job: str) -> Any:
        return httpx2.get(f"{self.url}/v1/jobs/{job}", timeout=30).json()["status"]


def test_what_was_acknowledged_is_there_and_nothing_else(
    forks: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    rng = random.Random(0)
    sure: dict[str, set[str]] = {user: set() for user in USERS}
    number = acknowledged = 0
    for turn in range(KILLS):
        home = tmp_path / f"home{turn // 6}"  # some homes, so that nobody has too many memories
        if turn % 6 == 0:
            sure, number = {user: set() for user in USERS}, 0
        child, url = started(forks, home)
        writers = [Writer(url, user, number) for user in USERS]
        for writer in writers:
            writer.start()
        few, patience = rng.randint(0, 4), time.monotonic() + 30
        while sum(len(writer.done) for writer in writers) < few and time.monotonic() < patience:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        for writer in writers:
            writer.join(30)
            assert not writer.is_alive()
        ledger = Store(home).ledger
        for writer in writers:
            there = {p.target for p in ledger.present(writer.user)}
            sure[writer.user] |= set(writer.done)
            last = {writer.begun[-1]}  # may have landed unsaid
            assert sure[writer.user] <= there <= sure[writer.user] | last
            sure[writer.user] = there
            acknowledged += len(writer.done)
        number = max(writer.number for writer in writers)
    people = Personalizer(tiny.editable(dtype=torch.float32), Store(tmp_path / "home0"))
    assert acknowledged >= KILLS
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("monogram.keeping.compile_monogram", Compiler())
        assert people.verify(all_versions=True).all_faults == ()
