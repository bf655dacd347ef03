"""A server that speaks OpenAI's chat protocol over HTTP, and answers as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL, KEY = "stand-in-1", "secret"
Answer = str | tuple[int, str] | None
"""What is answered: a text, (status, body), or nothing at all (the line is cut)."""


@dataclass
class StandIn:
    """What was asked, and what is still to be answered."""

    answers: list[Answer]
    schemas: bool = True
    """Whether it knows `response_format`."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def reply(self, path: str, key: str, body: dict[str, Any]) -> tuple[int, str] | None:
        """What the protocol says to a request."""
        if path != "/v1/chat/completions":
            return _error(404, f"no route {path}")
        if key != f"Bearer {KEY}":
            return _error(401, "Incorrect API key provided")
        if body.get("model") != MODEL:
            return _error(404, f"The model {body.get('model')!r} does not exist")
        if not all({"role", "content"} <= set(message) for message in body["messages"]):
            return _error(400, "messages")
        if "response_format" in body and not self.schemas:
            return _error(400, "Unsupported parameter: response_format")
        self.asked.append(body)
        answer = self.answers.pop(0)
        if answer is None or isinstance(answer, tuple):
            return answer
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
        record = {"id": "1", "object": "chat.completion", "created": int(time.time()), "model": MODEL}
        return 200, json.dumps({**record, "choices": [choice]})


def _error(status: int, message: str) -> tuple[int, str]:
    return status, json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None}})


@contextmanager
def running(*answers: Answer, schemas: bool = True) -> Iterator[StandIn]:
    """A server on a free port of this machine, for the length of a `with`."""
    stand = StandIn(list(answers), schemas)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = stand.reply(self.path, self.headers.get("Authorization", ""), body)
            if told is None:
                self.close_connection = True
                return
            status, text = told[0], told[1].encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        stand.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stand
        finally:
            server.shutdown()
            thread.join()
