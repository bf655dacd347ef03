"""A real server in a thread of its own."""

import threading
import time
from typing import Any

import openai
import uvicorn

from monogram.models.generate import generate
from monogram.people import Personalizer
from monogram.serving.app import app
from monogram.serving.engine import twin
from monogram.serving.service import Service, Settings

QUESTION = "What is my hobby?"


class Server:
    """Runs for the length of a `with`; `client` is the official OpenAI client."""

    def __init__(self, people: Personalizer, **settings: Any) -> None:
        self.people = people
        self.service = Service(people, Settings(**settings))
        config = uvicorn.Config(app(self.service), host="127.0.0.1", port=0, log_level="error", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def alone(self, user: str | None, longest: int, text: str = QUESTION) -> str:
        """What `generate` says, with nobody beside."""
        delta = self.people.user(user).delta() if user else None
        return generate(twin(self.service.model), [text], deltas=delta, max_new_tokens=longest)[0]
