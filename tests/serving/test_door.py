"""`monogram serve` as a process: it says where it is, answers, and ends well."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import torch

from monogram.errors import InputError, ModelError
from monogram.serving.door import prepare
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model")
    tiny.model(dtype=torch.float32).save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return str(path)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_answers_and_ends(folder: str, tmp_path: Path, stop: signal.Signals) -> None:
    words = [
        sys.executable,
        "-c",
        "from monogram.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--model",
        folder,
        "--json",
    ]
    home = {"MONOGRAM_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, **both, text=True, env={**os.environ, **home})
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        ready = httpx2.get(f"{told['url']}/readyz").json()
        assert (ready["status"], ready["running"]) == ("ready", 0)
        assert httpx2.get(f"{told['url']}/healthz").json() == {"status": "alive"}
        body = {"model": ready["model"], "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
        answer = httpx2.post(f"{told['url']}/v1/chat/completions", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        process.send_signal(stop)
        _, log = process.communicate(timeout=30)
        assert process.returncode == (0 if stop is signal.SIGINT else -signal.SIGTERM)
        (line,) = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        assert (line["route"], line["status"]) == ("/v1/chat/completions", 200)
        assert "Hello" not in log
    finally:
        process.kill()
        process.communicate()


def test_an_address_that_is_taken_is_told_before_a_model_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Nobody can listen on 127.0.0.1:{port} .* Say another"):
            prepare("no such model", port=port)
    with pytest.raises(ModelError):
        prepare("no such model", port=0)
