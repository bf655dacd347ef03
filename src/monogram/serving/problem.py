"""An error as OpenAI's clients read it, and the log that says what it was; and how both are documented."""

from __future__ import annotations

import logging
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

log = logging.getLogger("monogram.serving")
WHY = {
    400: "The request makes no sense.",
    401: "There is no such API key.",
    404: "There is no such person, memory, version, job or model.",
    409: "The person is compiled for another model, or was changed meanwhile.",
    413: "The request is too large.",
    429: "There is too much to do; come again a little later.",
}
"""Status -> what it means, on any route of the interfaces."""
STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""That an answer may come as server-sent events."""
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}


class Error(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Problem(BaseModel):
    """The answer to a request that cannot be done."""

    error: Error


def shown(*examples: dict[str, Any]) -> ConfigDict:
    """The configuration of a request's model: examples of it."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


def told(status: int, message: str, kind: str, param: str | None = None) -> JSONResponse:
    """The answer to a request that cannot be done.

    Args:
        status: of HTTP.
        message: what was asked, what was found, what to do.
        kind: of error, after OpenAI's names.
        param: which part of the request it is about.
    """
    error = {"message": message, "type": kind, "param": param, "code": None}
    return JSONResponse({"error": error}, status, headers=HEADERS.get(status))
