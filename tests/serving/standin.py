"""A stand-in for a vLLM server with the plugin: the same routes over real HTTP, a tiny model, the real spool.

vLLM itself is in `tests/engines/test_vllm.py`; here is what cannot be made to happen there at will.
"""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from monogram.delta import load_adapter
from monogram.errors import MonogramError
from monogram.models.attach import attach
from monogram.people import Personalizer
from monogram.serving.engine import twin
from monogram.serving.sampling import Sampling, choose, generator
from monogram.serving.spool import Spool, Takes
from monogram.serving.vllm_plugin import shapes


class StandIn:
    """Runs for the length of a `with`. It can break off, refuse with a status, and vanish when told to."""

    def __init__(self, people: Personalizer, root: Path, key: str = "", digest: str = "") -> None:
        self.model = twin(people.model)
        takes = Takes(shapes(self.model.model.config, None, {}), 64)
        self.spool = Spool(people.store.adapters, digest or people.model.digest, takes, root)
        root.mkdir(parents=True)
        self.key = key
        self.break_after: int | None = None
        self.status = 0
        self.slow = 0.0
        self.asked: list[dict[str, Any]] = []
        self.written = 0
        self._alone = threading.Lock()
        app = FastAPI()
        app.add_api_route("/health", self.health, methods=["GET"])
        app.add_api_route("/v1/monogram", self.about, methods=["GET"])
        app.add_api_route("/v1/monogram/keep", self.keep, methods=["POST"])
        app.add_api_route("/v1/completions", self.complete, methods=["POST"], response_model=None)
        app.middleware("http")(self._guard)
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> "StandIn":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Vanish."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    async def _guard(self, request: Request, go_on: Any) -> Response:
        guarded = request.url.path.startswith("/v1")
        if guarded and self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        return await go_on(request)  # type: ignore[no-any-return]

    def health(self) -> dict[str, Any]:
        return {}

    def about(self) -> dict[str, Any]:
        return {"base_digest": self.spool.base_digest}

    def keep(self, told: dict[str, str]) -> dict[str, Any]:
        gone = self.spool.others(told["shelf"], told["name"])
        for name in gone:
            self.spool.forget(name)
        return {"forgotten": len(gone)}

    def complete(self, asked: dict[str, Any]) -> Any:
        self.asked.append(asked)
        if self.status:
            return JSONResponse({"error": {"message": "as it was told"}}, self.status)
        try:
            folder = self.spool.put(asked["model"])
        except MonogramError:  # as the resolver does
            folder = None
        if folder is None:
            return JSONResponse({"error": {"message": f"no model {asked['model']}"}}, 404)
        return StreamingResponse(self._lines(asked, folder), media_type="text/event-stream")

    def _lines(self, asked: dict[str, Any], folder: Path) -> Iterator[str]:
        delta, ids = load_adapter(folder), list(asked["prompt"])
        sampling = Sampling(
            max_tokens=asked["max_tokens"], temperature=asked["temperature"], seed=asked.get("seed")
        )
        draw = generator(sampling)
        for number in range(asked["max_tokens"]):
            if number == self.break_after:
                raise ConnectionError("it breaks off")
            time.sleep(self.slow)
            with self._alone, torch.no_grad(), attach(self.model, delta):
                logits = self.model.model(input_ids=torch.tensor([ids])).logits[:, -1]
            (token,) = choose(logits, [sampling], [draw])
            ids.append(token)
            self.written += 1
            ended = token in asked["stop_token_ids"]
            last = "stop" if ended else "length" if number + 1 == asked["max_tokens"] else None
            choice = {"index": 0, "text": "", "token_ids": [token], "finish_reason": last}
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
            if ended:
                break
        yield "data: [DONE]\n\n"
