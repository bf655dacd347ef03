"""The OpenAI interface: `/v1/chat/completions`, `/v1/completions`, `/v1/models`, with streaming.

The person is the field `user`, or the model `NAME:USER`. What this server cannot do (tools, several choices,
log-probabilities, schemas) is refused; what cannot change an answer here is left aside.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from monogram.errors import InputError
from monogram.serving.caller import Asking, Asks
from monogram.serving.engine import Piece
from monogram.serving.problem import STREAMED, shown
from monogram.serving.sampling import Sampling

MOST_CHARACTERS = 200_000
router = APIRouter(prefix="/v1", tags=["OpenAI"])

Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]


class Part(BaseModel):
    """A part of a message; only texts are understood."""

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[Part]

    def plain(self) -> dict[str, str]:
        """As models take it."""
        text = (
            self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        )
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(BaseModel):
    """What a stream tells besides."""

    include_usage: bool = False


class Wanted(BaseModel):
    """What both kinds of request have."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, Field(max_length=400)]
    user: Annotated[str | None, Field(max_length=200, description="Whose answer it is.")] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=100_000)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int | None, Field(ge=1, le=1, description="One answer.")] = None

    def sampling(self) -> Sampling:
        """How the answer is written; temperature 0 where nothing is said. Raises InputError."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        given = {"max_tokens": self.longest(), "temperature": self.temperature, "top_p": self.top_p}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return Sampling(**chosen, seed=self.seed, stop=tuple(stop))

    def longest(self) -> int | None:
        """The longest answer that was asked for, in tokens."""
        return self.max_tokens

    def refuse(self) -> None:
        """Raise InputError for what would change the answer and is not done here."""
        asked = self.model_extra or {}
        form = asked.get("response_format") or {}
        for name in ("tools", "functions", "logprobs", "top_logprobs", "best_of", "suffix", "echo"):
            if asked.get(name):
                raise InputError(f"'{name}' is not done by this server. Leave it out.")
        if form and (not isinstance(form, Mapping) or form.get("type") != "text"):
            raise InputError("Only the response format 'text' is done by this server. Leave the other out.")


class Chat(Wanted):
    """A conversation to answer."""

    model_config = Wanted.model_config | shown(
        {
            "model": "smollm2",
            "user": "alice",
            "messages": [{"role": "user", "content": "What should I do this weekend?"}],
            "max_tokens": 64,
        }
    )

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    max_completion_tokens: Annotated[int | None, Field(ge=1, le=100_000)] = None

    def longest(self) -> int | None:
        """See `Wanted.longest`."""
        return self.max_completion_tokens or self.max_tokens


class Completion(Wanted):
    """A text to go on with."""

    model_config = Wanted.model_config | shown(
        {"model": "smollm2:alice", "prompt": "My hobby is", "max_tokens": 16}
    )

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=16)]


@router.get("/models")
async def models(asks: Asks) -> dict[str, Any]:
    """The model that is served. Ask for `NAME:USER` to have somebody's."""
    service = asks.service
    one = {"id": service.name, "object": "model", "created": 0, "owned_by": "monogram"}
    return {"object": "list", "data": [one]}


@router.post("/chat/completions", response_model=None, responses=STREAMED)
async def chat(asks: Asks, asked: Chat) -> dict[str, Any] | StreamingResponse:
    """Answer a conversation, as the model that knows `user`."""
    asked.refuse()
    service, sampling = asks.service, asked.sampling()
    user = _whose(asks, asked)
    ids = service.chat_ids([message.plain() for message in asked.messages])
    pieces = service.write(ids, user, sampling)
    head = _head("chatcmpl", asked.model)
    if asked.stream:
        chunk = {**head, "object": "chat.completion.chunk"}
        return await _streamed(pieces, asked, chunk, _chat_delta)
    text, last = await _whole(pieces)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": last.reason,
    }
    return {**head, "object": "chat.completion", "choices": [choice], "usage": _usage([last])}


@router.post("/completions", response_model=None, responses=STREAMED)
async def completions(asks: Asks, asked: Completion) -> dict[str, Any] | StreamingResponse:
    """Go on with a text, as the model that knows `user`."""
    asked.refuse()
    service, sampling = asks.service, asked.sampling()
    user = _whose(asks, asked)
    prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    every = [service.write(service.text_ids(text), user, sampling) for text in prompts]
    head = {**_head("cmpl", asked.model), "object": "text_completion"}
    if asked.stream:
        if len(every) > 1:
            raise InputError("A stream takes one prompt. Ask for each by itself.")
        return await _streamed(every[0], asked, head, _text_delta)
    found = await asyncio.gather(*map(_whole, every))
    choices = [
        {"index": place, "text": text, "logprobs": None, "finish_reason": last.reason}
        for place, (text, last) in enumerate(found)
    ]
    return {**head, "choices": choices, "usage": _usage([last for _, last in found])}


def _whose(asks: Asking, asked: Wanted) -> str | None:
    """Whose answer it is, as the store calls them; None: nobody's."""
    user = asks.service.who(asked.model, asked.user)
    return None if user is None else asks.name(user)


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"{kind}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}


def _usage(ends: Sequence[Piece]) -> dict[str, int]:
    given, made = sum(end.prompt_tokens for end in ends), sum(end.tokens for end in ends)
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


async def _whole(pieces: AsyncIterator[Piece]) -> tuple[str, Piece]:
    """All of an answer, and its last piece."""
    found = [piece async for piece in pieces]
    return "".join(piece.text for piece in found), found[-1]


def _chat_delta(text: str, *, first: bool) -> dict[str, Any]:
    return {"delta": ({"role": "assistant"} if first else {}) | ({"content": text} if text or first else {})}


def _text_delta(text: str, *, first: bool) -> dict[str, Any]:
    del first
    return {"text": text}


async def _streamed(
    pieces: AsyncIterator[Piece], asked: Wanted, head: Mapping[str, Any], shaped: Any
) -> StreamingResponse:
    """Server-sent events. The first piece is waited for: what cannot be done is an error, and no stream."""
    first = await anext(pieces)
    told = asked.stream_options is not None and asked.stream_options.include_usage

    def line(told: Mapping[str, Any]) -> str:
        return f"data: {json.dumps(told, ensure_ascii=False)}\n\n"

    async def lines() -> AsyncIterator[str]:
        async with aclosing(pieces):  # type: ignore[type-var]
            piece, begun = first, False
            while True:
                choice = {"index": 0, "logprobs": None, "finish_reason": None}
                if piece.text or not begun:
                    yield line({**head, "choices": [{**choice, **shaped(piece.text, first=not begun)}]})
                    begun = True
                if piece.reason is not None:
                    break
                piece = await anext(pieces)
            yield line(
                {**head, "choices": [{**choice, **shaped("", first=False), "finish_reason": piece.reason}]}
            )
            if told:
                yield line({**head, "choices": [], "usage": _usage([piece])})
            yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
