"""What is known of a person, under mem0's names: add, get, list, search, update, delete, history, export.

A change is a job: it is answered at once (202), and its progress and receipt follow at `/v1/jobs/ID`, or as
server-sent events at `/v1/jobs/ID/events`. A memory's id is its preference's digest.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from monogram.clusters.extract import propose
from monogram.clusters.group import from_words
from monogram.clusters.rules import Rules
from monogram.clusters.table import table
from monogram.errors import InputError, UnknownNameError
from monogram.keeping import Change
from monogram.people import Person
from monogram.preferences import Preference, Profile
from monogram.profiles import profile_text
from monogram.scoring import recall
from monogram.serving.caller import Asking, Asks, held
from monogram.serving.edits import Do, Job, State
from monogram.serving.problem import STREAMED, shown
from monogram.words import content

router = APIRouter(prefix="/v1", tags=["Memories"])
Whose = Annotated[str, Query(max_length=200, description="The person.", examples=["alice"])]
Said = Annotated[str, Field(max_length=20_000)]
MOST = 200
"""Memories of one person."""
WAIT = 15.0
"""Seconds between signs of life in a stream of events."""


class Message(BaseModel):
    """A message of a conversation; only the user's are read."""

    role: Annotated[str, Field(max_length=40)]
    content: Said


class Add(BaseModel):
    """What is to be known: words to be read, or one preference said outright."""

    model_config = shown(
        {"user_id": "alice", "messages": "I love hiking, and I'm allergic to peanuts."},
        {"user_id": "alice", "attribute": "home city", "target": "Lisbon", "polarity": "fact"},
    )

    user_id: Annotated[str, Field(max_length=200)]
    messages: Said | Annotated[list[Message], Field(min_length=1, max_length=500)] | None = None
    attribute: Annotated[str | None, Field(max_length=400)] = None
    target: Annotated[str | None, Field(max_length=400)] = None
    polarity: Literal["likes", "avoids", "fact"] | None = None


class Update(BaseModel):
    """What is true instead."""

    model_config = shown({"user_id": "alice", "target": "Oslo", "statement": "I live in Oslo."})

    user_id: Annotated[str, Field(max_length=200)]
    target: Annotated[str, Field(max_length=400)]
    statement: Annotated[str, Field(max_length=2000)] = ""


class Search(BaseModel):
    """What is looked for."""

    model_config = shown({"user_id": "alice", "query": "what she does on weekends", "limit": 3})

    user_id: Annotated[str, Field(max_length=200)]
    query: Said
    limit: Annotated[int, Field(ge=1, le=100)] = 10


@router.post("/memories", status_code=202, responses={200: {"description": "Nothing in it to be known."}})
def add(asks: Asks, asked: Add, response: Response) -> dict[str, Any]:
    """Add what somebody said, or one preference. Nothing in it to be known: 200 and no job."""
    user, found = asks.name(asked.user_id), _read(asked)
    if not found:
        response.status_code = 200
        return {"job": None, "results": []}
    if (many := len(asks.service.people.user(user).list()) + len(found)) > MOST:
        raise InputError(
            f"{asked.user_id!r} would have {many} memories; {MOST} is the most. Delete some first."
        )
    return _begun(asks, user, lambda person: person.add_all(found), found)


@router.get("/memories")
def list_(asks: Asks, user_id: Whose) -> dict[str, Any]:
    """All that is true of somebody now, oldest first."""
    return {"results": [_memory(user_id, p) for p in asks.known(user_id).list()]}


@router.post("/memories/search")
def search(asks: Asks, asked: Search) -> dict[str, Any]:
    """What of it has to do with the words asked, the nearest first."""
    person = asks.known(asked.user_id)
    ranked = sorted(((_nearness(asked.query, p), p) for p in person.list()), key=lambda pair: -pair[0])
    near = [_memory(asked.user_id, p) | {"score": round(score, 3)} for score, p in ranked if score > 0]
    return {"results": near[: asked.limit]}


@router.get("/memories/history")
def history(asks: Asks, user_id: Whose) -> dict[str, Any]:
    """Somebody's versions: what changed, when, and what was measured. What was erased says only that."""
    return {
        "results": [
            {
                "version": entry.number,
                "time": entry.time or None,
                "present": entry.present,
                "changes": [
                    {"event": event.kind, "restored": event.restored}
                    | ({"memory": _memory(user_id, event.preference)} if event.preference else {})
                    for event in entry.events
                ],
                "receipt": entry.version.receipt if entry.version else None,
            }
            for entry in asks.known(user_id).history()
        ]
    }


@router.get("/memories/export", responses={200: {"content": {"application/yaml": {}}}})
def export(asks: Asks, user_id: Whose) -> Response:
    """What is true of somebody, as a profile file that `monogram import` reads."""
    profile = Profile(user_id, asks.known(user_id).list())
    return Response(profile_text(profile), media_type="application/yaml")


@router.post("/memories/rollback", status_code=202)
def rollback(
    asks: Asks, user_id: Whose, version: Annotated[int | None, Query(ge=1)] = None
) -> dict[str, Any]:
    """Make what was true with an old version (by default the one before) true again."""
    return _begun(asks, asks.known(user_id).name, lambda person: person.rollback(version))


@router.get("/memories/{memory_id}")
def get(asks: Asks, memory_id: str, user_id: Whose) -> dict[str, Any]:
    """One thing that is true of somebody."""
    return _memory(user_id, held(asks.known(user_id), memory_id, user_id))


@router.put("/memories/{memory_id}", status_code=202)
def update(asks: Asks, memory_id: str, asked: Update) -> dict[str, Any]:
    """Replace it: what was true before is history."""
    person = asks.known(asked.user_id)
    old = held(person, memory_id, asked.user_id)
    new = Preference.checked(old.attribute, asked.target, asked.statement, old.polarity)
    return _begun(asks, person.name, lambda person: _swap(person, old, [new]), [new])


@router.delete("/memories/{memory_id}", status_code=202)
def delete(asks: Asks, memory_id: str, user_id: Whose, erase: bool = False) -> dict[str, Any]:
    """Forget it; with `erase` for good, past values and old versions too."""
    person = asks.known(user_id)
    old = held(person, memory_id, user_id)

    def gone(person: Person) -> Change | None:
        if not erase:
            return _swap(person, old, [])
        done = person.erase(old)
        return Change(removed=done.preferences, version=done.version)

    return _begun(asks, person.name, gone, [old])


@router.delete("/memories", status_code=202)
def delete_all(asks: Asks, user_id: Whose, erase: bool = False) -> dict[str, Any]:
    """Forget everything about somebody; with `erase` for good, their id too."""

    def gone(person: Person) -> Change | None:
        if erase:
            person.erase_all()
            return None
        head, held = person.owner.store.ledger.head(person.name), person.list()
        return person.keeping.change([("forgotten", p) for p in held], (), head) if held else Change()

    return _begun(asks, asks.known(user_id).name, gone)


@router.get("/jobs/{job}")
def job(asks: Asks, job: str) -> dict[str, Any]:
    """How far a change is."""
    found = asks.job(job)
    return _state(asks.bare(found.user), found, found.state)


@router.get("/jobs/{job}/events", responses=STREAMED)
async def events(asks: Asks, job: str) -> StreamingResponse:
    """Its states as server-sent events, until it has ended."""
    found = asks.job(job)

    async def lines() -> AsyncIterator[str]:
        seen = 0
        while True:
            new = await asyncio.to_thread(found.after, seen, WAIT)
            seen += len(new)
            if not new:
                yield ": still here\n\n"
            for state in new:
                data = json.dumps(_state(asks.bare(found.user), found, state), ensure_ascii=False)
                yield f"event: {state.stage}\ndata: {data}\n\n"
            if found.ended and not found.after(seen, 0):
                return

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


def _begun(asks: Asking, name: str, do: Do, about: Sequence[Preference] = ()) -> dict[str, Any]:
    begun = asks.begin(name, do)
    return {"job": begun.id, "results": [_memory(asks.bare(name), p) for p in about]}


def _read(asked: Add) -> tuple[Preference, ...]:
    """The preferences in a request.

    Raises:
        InputError: nothing to read, or half a preference.
    """
    outright = asked.attribute is not None or asked.target is not None
    if outright == (asked.messages is not None):
        raise InputError("Give `messages` (a text or a conversation), or `attribute` and `target`.")
    if outright:
        return (from_words(table(), asked.attribute, asked.target, sentence=None, polarity=asked.polarity),)
    said = (
        asked.messages if isinstance(asked.messages, str) else [m.model_dump() for m in asked.messages or ()]
    )
    return propose(said, Rules())


def _swap(person: Person, old: Preference, new: Sequence[Preference]) -> Change:
    """One preference out, others in its place."""
    head, held = person.owner.store.ledger.head(person.name), person.list()
    if old not in held:
        raise UnknownNameError("It was changed or forgotten meanwhile. Nothing was changed now.")
    steps: list[tuple[Literal["added", "replaced", "forgotten"], Preference]]
    steps = [("replaced" if new else "forgotten", old), *(("added", p) for p in new)]
    left = {p.digest: p for p in (*held, *new) if p in new or p.digest != old.digest}  # the new may be there
    return person.keeping.change(steps, tuple(left.values()), head)


def _memory(user: str, p: Preference) -> dict[str, Any]:
    said = p.statement or f"{p.attribute}: {p.target}"
    return {"id": p.digest, "memory": said, "user_id": user, "metadata": asdict(p)}


def _state(user: str, job: Job, state: State) -> dict[str, Any]:
    told: dict[str, Any] = {"id": job.id, "user_id": user, "status": state.stage}
    if state.what:
        told["progress"] = {"what": state.what, "done": state.done, "total": state.total}
    if state.why:
        told["error"] = state.why
    if state.figures:
        told["receipt"] = state.figures
    if state.change is not None:
        version = state.change.version
        told["added"] = [_memory(user, p) for p in state.change.added]
        told["removed"] = [_memory(user, p) for p in state.change.removed]
        told["known"] = [_memory(user, p) for p in state.change.known]
        told["version"] = version.number if version else None
        told["receipt"] = dict(version.receipt or {}) if version else None
    return told


def _nearness(query: str, p: Preference) -> float:
    """Share of a query's telling words that speak of a preference, its attribute's synonyms counted."""
    known = table().find(p.attribute)
    about = " ".join([p.attribute, p.target, p.statement, *(known.all_names if known else ())])
    asked, own = set(content(query)), set(content(about))
    named = 1.0 if recall(p.target, query, question="", attribute="") else 0.0
    return max(named, len(asked & own) / len(asked) if asked else 0.0)
