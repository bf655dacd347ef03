"""One vLLM server, as the gateway speaks to it: tokens in, tokens out, and what it is to let go of."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from monogram.errors import InputError, MonogramError
from monogram.serving.problem import log
from monogram.serving.sampling import Sampling

BUSY, KEYLESS = (429, 503), (401, 403)
CONNECT, SILENT = 5.0, 120.0
"""Seconds to wait for a connection; and for the next token before a replica counts as gone."""


class Gone(Exception):
    """It cannot be reached, or broke off."""


class Busy(Exception):
    """It has as much to do as it can."""


class Refused(MonogramError):
    """It does not give out an adapter, or is not the replica that is wanted."""


@dataclass(frozen=True)
class Tokens:
    """Some tokens of an answer; `ended` with the last of them: "stop" or "length"."""

    ids: Sequence[int]
    ended: str | None = None


@dataclass(eq=False)
class Replica:
    """A vLLM server.

    Args:
        url: where it is, without `/v1`.
        client: what asks it; it knows the key.
    """

    url: str
    client: httpx2.AsyncClient
    alive: bool = field(default=False, init=False)
    """Whether it answered lately, for the right model."""
    stale: dict[str, str] = field(default_factory=dict, init=False)
    """Whose old adapters it may still hold: shelves, with the one name that may stay."""
    _said: str = field(default="", init=False)

    async def write(
        self, name: str, ids: Sequence[int], sampling: Sampling, longest: int, ends: Sequence[int]
    ) -> AsyncGenerator[Tokens]:
        """Go on with a prompt's tokens.

        Args:
            name: of the adapter.
            longest: tokens at most.
            ends: tokens that end an answer.

        Raises:
            Gone, Busy: before or between tokens.
            Refused: it has no such adapter, or must not have it.
            InputError: it does not take the prompt, being too long for it, say.
        """
        asked = {
            "model": name,
            "prompt": list(ids),
            "stream": True,
            "return_token_ids": True,
            "max_tokens": longest,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop_token_ids": list(ends),
            "skip_special_tokens": False,
        } | ({} if sampling.seed is None else {"seed": sampling.seed})
        try:
            async with self.client.stream("POST", f"{self.url}/v1/completions", json=asked) as answer:
                if answer.status_code in BUSY:
                    raise Busy
                if answer.status_code >= 500 or answer.status_code in KEYLESS:
                    raise Gone(f"status {answer.status_code}")
                if answer.status_code != 200:
                    why = _why(await answer.aread())
                    if answer.status_code == 400 and name not in why:
                        raise InputError(f"The engine does not take this request: {why}")
                    raise Refused(why)
                ended = False
                async for line in answer.aiter_lines():
                    if line == "data: [DONE]":
                        ended = True
                    elif line.startswith("data: "):
                        yield _tokens(json.loads(line[6:]))
                if not ended:
                    raise Gone("it broke off")
        except (httpx2.HTTPError, httpx2.StreamError, json.JSONDecodeError) as error:
            raise Gone(f"{type(error).__name__}: {error}") from error

    async def look(self, base_digest: str) -> None:
        """See whether it is there, and serves the right model; the log says what has changed."""
        try:
            (await self.client.get(f"{self.url}/health")).raise_for_status()
            about = (await self.client.get(f"{self.url}/v1/monogram")).raise_for_status().json()
            if about["base_digest"] != base_digest:
                raise Refused(f"serves another model, of digest {about['base_digest'][:12]}")
        except (httpx2.HTTPError, Refused, ValueError, KeyError) as error:
            self.alive = False
            self._say(f"is out: {str(error) or type(error).__name__}")
            return
        self.alive = True
        self._say("is in")

    async def tidy(self, writing: Mapping[str, int]) -> None:
        """Tell it to let go of what is stale, but for people who are just being answered with it."""
        for shelf, name in list(self.stale.items()):
            if any(shelf in one and one != name and count for one, count in writing.items()):
                continue
            with suppress(httpx2.HTTPError):
                told = {"shelf": shelf, "name": name}
                (await self.client.post(f"{self.url}/v1/monogram/keep", json=told)).raise_for_status()
                if self.stale.get(shelf) == name:
                    del self.stale[shelf]

    def _say(self, what: str) -> None:
        if what != self._said:
            log.warning("replica %s %s", self.url, what)
            self._said = what


def _tokens(chunk: Mapping[str, Any]) -> Tokens:
    if "error" in chunk:
        raise Gone(str(chunk["error"])[:200])
    choice = (chunk.get("choices") or [{}])[0]
    return Tokens(choice.get("token_ids") or (), choice.get("finish_reason"))


def _why(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return body[:300].decode("utf-8", "replace")
