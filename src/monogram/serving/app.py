"""The web application: its routes, and errors as the interfaces say them. Never a trace, never a path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

import monogram
from monogram.errors import BusyError, InputError, MonogramError, NotCompiledError, UnknownNameError
from monogram.serving import memory_api, openai_api, pages
from monogram.serving.guard import DOCS, Guard
from monogram.serving.keys import Keys
from monogram.serving.metrics import Metrics
from monogram.serving.problem import WHY, Problem, log, told
from monogram.serving.service import Service

ABOUT = "People on one model: their preferences are in its weights, and take no room in the prompt."
STATUS: tuple[tuple[type[MonogramError], int, str], ...] = (
    (BusyError, 429, "rate_limit_error"),
    (UnknownNameError, 404, "not_found_error"),
    (InputError, 400, "invalid_request_error"),
    (NotCompiledError, 409, "conflict_error"),
)


def app(service: Service, keys: Keys | None = None) -> FastAPI:
    """The application. It starts the service, and closes it when it is shut down.

    Args:
        keys: whose keys count; those beside the service's store by default.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    made = FastAPIOffline(
        title="monogram",
        version=monogram.__version__,
        description=ABOUT,
        lifespan=life,
        redoc_url=None,
        static_url=DOCS,
    )
    made.state.service = service
    metrics = made.state.metrics = Metrics(service)
    keys = keys or Keys(service.people.store.home)
    made.add_middleware(Guard, keys=keys, note=metrics.note, rate=service.settings.rate)
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": why} for status, why in WHY.items()
    }
    made.include_router(openai_api.router, responses=refusals)
    made.include_router(memory_api.router, responses=refusals)
    made.include_router(pages.router)
    made.add_api_route("/healthz", _alive, tags=["Operation"])
    made.add_api_route("/metrics", _metrics, tags=["Operation"], response_class=PlainTextResponse)
    made.add_api_route("/readyz", _ready, tags=["Operation"], response_model=None)
    made.add_exception_handler(MonogramError, _explained)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(HTTPException, _refused)
    made.add_exception_handler(Exception, _broken)
    return made


async def _alive() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "alive"}


async def _metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus: requests, times, tokens, what there is to do. Nothing of anybody."""
    metrics: Metrics = request.app.state.metrics
    return PlainTextResponse(metrics.text())


async def _ready(request: Request) -> dict[str, Any] | JSONResponse:
    """Whether requests are taken now, and how much there is to do."""
    service: Service = request.app.state.service
    answers, load = service.answers, service.answers.load
    told = {"model": service.name, "running": load.running, "waiting": load.waiting}
    told["changes"] = service.edits.waiting
    told |= {name: count for name, (_, count) in answers.figures.items() if not name.endswith("_total")}
    if not answers.alive:
        return JSONResponse({"status": "down", **told}, 503)
    return {"status": "ready", **told}


async def _explained(_: Request, error: Exception) -> JSONResponse:
    for kind, status, name in STATUS:
        if isinstance(error, kind):
            return told(status, str(error), name)
    log.error("%s: %s", type(error).__name__, error)
    return told(500, "Something is wrong on the server's side; its log says what.", "server_error")


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = ".".join(str(part) for part in first.get("loc", ())[1:])
    return told(
        400, f"{where or 'The request'}: {first.get('msg', 'invalid')}.", "invalid_request_error", where
    )


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: no such route or method, a body that is no JSON."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (400, "")
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    return told(status, f"{detail or 'The request makes no sense'}. See /docs for what there is.", kind)


async def _broken(_: Request, __: Exception) -> JSONResponse:
    return told(500, "Something went wrong inside; the server's log says what.", "server_error")
