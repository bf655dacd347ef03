"""The page at `/`, as it stands in the package: no build step, nothing from another host."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from monogram.editors.chosen import place
from monogram.serving.caller import Asks

KINDS = {"index.html": "text/html", "style.css": "text/css", "page.js": "text/javascript"}
POLICY = "default-src 'self'; img-src data:; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
router = APIRouter()


@router.get("/", include_in_schema=False)
def index() -> Response:
    """The page."""
    return _file("index.html")


@router.get("/page/style.css", include_in_schema=False)
def style() -> Response:
    """How it looks."""
    return _file("style.css")


@router.get("/page/page.js", include_in_schema=False)
def script() -> Response:
    """What it does."""
    return _file("page.js")


@router.get("/v1/frontier", tags=["Operation"])
def frontier(asks: Asks) -> dict[str, Any]:
    """How well the model can know people, where `monogram calibrate` has found it: a point for each layer and
    threshold that was tried, by where it fires; nothing where it was not.
    """
    try:
        told = json.loads(place(asks.service.model.digest, "neuron").read_text(encoding="utf-8"))
        return {"candidates": [_point(one, told["settings"]) for one in told["candidates"] if one["gates"]]}
    except (OSError, ValueError, LookupError, TypeError):
        return {"candidates": []}


def _point(one: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    settings, gates = one["settings"], one["gates"]
    here = all(chosen.get(name) == value for name, value in settings.items())
    return {
        **{name: settings[name] for name in ("layer", "threshold")},
        **{name: gates[name]["value"] or 0.0 for name in ("recall", "leak")},
        "chosen": here,
    }


def _file(name: str) -> Response:
    text = files("monogram.serving").joinpath("page", name).read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type=f"{KINDS[name]}; charset=utf-8", headers=headers)
