"""A server that speaks OpenAI's chat protocol over HTTP, and answers as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL, KEY = "stand-in-1", "secret"
Answer = str | tuple[int, str] | tuple[int, str, dict[str, str]] | None
"""What is answered: a text, (status, body) with headers or without, or nothing at all (the line is cut)."""
Body = dict[str, Any]


@dataclass
class StandIn:
    """What was asked, and how it is answered."""

    answers: list[Answer] | Callable[[Body], Answer]
    """One after the other, or as the request says (where several are asked at once)."""
    schemas: bool = True
    """Whether it knows `response_format`."""
    lacks: tuple[str, ...] = ()
    """Words of a request that it turns down."""
    asked: list[Body] = field(default_factory=list)
    url: str = ""

    def reply(self, path: str, key: str, body: Body) -> tuple[int, str, dict[str, str]] | None:
        """What the protocol says to a request."""
        if path != "/v1/chat/completions":
            return error(404, f"no route {path}")
        if key != f"Bearer {KEY}":
            return error(401, "Incorrect API key provided")
        if body.get("model") != MODEL:
            return error(404, f"The model {body.get('model')!r} does not exist")
        if not all({"role", "content"} <= set(message) for message in body["messages"]):
            return error(400, "messages")
        if "response_format" in body and not self.schemas:
            return error(400, "Unsupported parameter: response_format")
        settings = json.dumps({name: value for name, value in body.items() if name != "messages"})
        for word in self.lacks:
            if f'"{word}"' in settings:
                return error(400, f"Unsupported value: {word!r}")
        self.asked.append(body)
        answer = self.answers(body) if callable(self.answers) else self.answers.pop(0)
        if isinstance(answer, str):
            return completion(answer, body)
        return (*answer, {})[:3] if answer is not None else None


def completion(
    text: str, body: Body, finish: str = "stop", **message: Any
) -> tuple[int, str, dict[str, str]]:
    """A completion as the protocol has it; a token is a word here."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "finish_reason": finish, "message": said}
    asked = sum(len(one["content"].split()) for one in body["messages"])
    usage = {"prompt_tokens": asked, "completion_tokens": len(text.split())}
    usage["total_tokens"] = sum(usage.values())
    record = {"id": "1", "object": "chat.completion", "created": int(time.time()), "model": MODEL}
    return 200, json.dumps({**record, "choices": [choice], "usage": usage}), {}


def error(status: int, message: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """An error as the protocol has it."""
    told = {"message": message, "type": "invalid_request_error", "code": None}
    return status, json.dumps({"error": told}), headers


@contextmanager
def running(
    *answers: Answer,
    schemas: bool = True,
    lacks: tuple[str, ...] = (),
    by: Callable[[Body], Answer] | None = None,
) -> Iterator[StandIn]:
    """A server on a free port of this machine, for the length of a `with`."""
    stand = StandIn(by if by is not None else list(answers), schemas, lacks)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = stand.reply(self.path, self.headers.get("Authorization", ""), body)
            if told is None:
                self.close_connection = True
                return
            status, text, headers = told[0], told[1].encode(), told[2]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            with suppress(ConnectionError):  # it may have gone, tired of waiting
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
