"""Asking a language model: any OpenAI-compatible one, by the `openai` client (extra `llm`).

The client itself tries again where the server is busy or the line is cut, with growing pauses, and as long
as `Retry-After` says. What is asked, and what a good answer is, others know.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from monogram.errors import AnswerError, EndpointError, InputError

T = TypeVar("T")
MODEL = "MONOGRAM_LLM_MODEL"
"""Environment variable with the model's name. The client itself reads OPENAI_BASE_URL and OPENAI_API_KEY."""
FENCED = re.compile(
    r"\s*(?:<think>.*?</think>\s*)?(?:```(?:json)?\s*(?P<inner>.*?)\s*```|(?P<bare>.*?))\s*", re.S
)
"""An answer, without what a model thought aloud before it and the fence around it."""
LASTING = (401, 403, 404)
"""Statuses that asking again, or asking something else, does not change."""


@dataclass
class Spent:
    """What asking has cost so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, other: Spent) -> None:
        """Count the other's, too."""
        self.calls += other.calls
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens


@dataclass(frozen=True)
class Form:
    """The form of an answer: a JSON schema with its name."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """Where a language model is asked.

    Attributes:
        model: its name, else `$MONOGRAM_LLM_MODEL`.
        base_url: of the server, else `$OPENAI_BASE_URL`, else OpenAI's own.
        api_key: else `$OPENAI_API_KEY`; a server of one's own may need none.
        retries: how often a failed connection is tried again, and a bad answer sent back.
        timeout: seconds to wait for an answer.
    """

    model: str | None = None
    base_url: str | None = None
    api_key: str | None = None
    retries: int = 2
    timeout: float = 60.0

    @property
    def name(self) -> str:
        """The model's name.

        Raises:
            InputError: none is named.
        """
        name = self.model or os.environ.get(MODEL, "")
        if not name:
            raise InputError(f"A language model is to be asked, but none is named. Set {MODEL}.")
        return name

    @contextmanager
    def line(self) -> Iterator[Line]:
        """A line to the server, for the length of a `with`. Threads may share it.

        Raises:
            InputError: the extra is not installed, or no model or server is named.
        """
        name = self.name
        try:
            import openai
        except ImportError as error:
            raise InputError(
                "A language model is asked by the package 'openai'. Install it with "
                "`pip install 'monogram[llm]'`."
            ) from error
        key = self.api_key or os.environ.get("OPENAI_API_KEY")
        if key is None and (self.base_url or os.environ.get("OPENAI_BASE_URL")) is None:
            raise InputError(
                "A language model needs a server: set OPENAI_BASE_URL to one of your own, or OPENAI_API_KEY "
                "to a key of OpenAI's."
            )
        with openai.OpenAI(
            api_key=key or "none", base_url=self.base_url, max_retries=self.retries, timeout=self.timeout
        ) as client:
            yield Line(client, name, self.retries)


class Line:
    """An open line. Made by `Endpoint.line`.

    A server that does not know JSON schemas is asked for any JSON object, and one that does not know these
    either, by the prompt alone; what it turned down once is not sent again.
    """

    def __init__(self, client: Any, model: str, retries: int) -> None:
        self.client = client
        self.model = model
        self.retries = retries
        self.formats = ["json_schema", "json_object"]
        self.settings: dict[str, Any] = {"temperature": 0}

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self.client.base_url)

    def settle(
        self,
        messages: Sequence[Mapping[str, str]],
        form: Form,
        check: Callable[[str], T],
        spent: Spent | None = None,
    ) -> T:
        """What `check` makes of the answer; one that it does not take is sent back with the reason.

        Args:
            messages: the prompt; it must say the form in words, too.
            form: what the answer must look like, for servers that can hold a model to it.
            check: raises InputError for an answer that cannot be used.
            spent: what it cost is added here, whatever comes of it.

        Raises:
            EndpointError: the model could not be asked.
            AnswerError: it refuses, or keeps answering badly.
        """
        said = [dict(message) for message in messages]
        trouble = ""
        for _ in range(self.retries + 1):
            choice = self._asked(said, form, spent if spent is not None else Spent())
            message = getattr(choice, "message", None)
            if refusal := getattr(message, "refusal", None):
                raise AnswerError(f"The model {self.model!r} refuses: {_short(refusal)}")
            text = getattr(message, "content", None)
            text = text if isinstance(text, str) else ""
            try:
                if getattr(choice, "finish_reason", None) == "length":
                    raise InputError("It was cut off; be shorter.")
                return check(text)
            except InputError as error:
                trouble = str(error)
            said += [
                {"role": "assistant", "content": text},
                {"role": "user", "content": f"That cannot be used: {trouble} Answer again, JSON alone."},
            ]
        raise AnswerError(
            f"The model {self.model!r} was asked {self.retries + 1} times and never answered properly: "
            f"{trouble}"
        )

    def _asked(self, messages: Sequence[Mapping[str, str]], form: Form, spent: Spent) -> Any:
        """The first choice of the answer; None where there is none."""
        import openai

        while True:
            formats, settings = list(self.formats), dict(self.settings)
            if formats:
                settings["response_format"] = _format(formats[0], form)
            try:
                reply = self.client.chat.completions.create(
                    model=self.model, messages=list(messages), **settings
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not self._without(str(error), formats):
                    raise self._failed(error) from error
            except (openai.OpenAIError, ValueError) as error:  # ValueError: no JSON at all
                raise self._failed(error) from error
            else:
                usage = getattr(reply, "usage", None)
                tokens = [getattr(usage, f"{part}_tokens", None) or 0 for part in ("prompt", "completion")]
                spent.add(Spent(1, *tokens))
                choices = getattr(reply, "choices", None)
                return choices[0] if choices else None

    def _without(self, complaint: str, formats: list[str]) -> bool:
        """From now on, ask without what the server turned down; whether it was something to do without."""
        if formats and any(word in complaint for word in ("response_format", *formats)):
            self.formats = formats[1:]
            return True
        named = [name for name in self.settings if name in complaint]
        self.settings = {name: value for name, value in self.settings.items() if name not in named}
        return bool(named)

    def _failed(self, error: Exception) -> EndpointError:
        import openai

        reason = _short(str(error))
        if isinstance(error, openai.APIStatusError):
            return EndpointError(
                f"The model {self.model!r} could not be asked: {reason}. Check its name and the key.",
                lasting=error.status_code in LASTING,
            )
        return EndpointError(
            f"No language model answers at {self.url} ({type(error).__name__}: {reason}). "
            "Check OPENAI_BASE_URL and that the server runs."
        )


def parsed(answer: str) -> Any:
    """The JSON of an answer.

    Raises:
        InputError: it is none.
    """
    found = FENCED.fullmatch(answer)
    text = (found["inner"] or found["bare"] or "") if found else answer
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"It is no JSON ({str(error)[:80]}).") from error


def _format(kind: str, form: Form) -> dict[str, Any]:
    if kind == "json_object":
        return {"type": kind}
    return {"type": kind, kind: {"name": form.name, "strict": True, "schema": dict(form.schema)}}


def _short(text: object) -> str:
    return " ".join(str(text).split())[:200]
