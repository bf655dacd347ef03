"""An error as OpenAI's clients read it, and the log that says what it was."""

from __future__ import annotations

import logging

from fastapi.responses import JSONResponse

log = logging.getLogger("monogram.serving")
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}


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
