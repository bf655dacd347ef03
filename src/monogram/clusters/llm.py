"""The reader that asks a language model: any OpenAI-compatible one, by the `openai` client (extra `llm`).

The answer must follow a schema and quote the person for everything it claims. What does not is sent back
with the reason, at most `retries` times; then it is an error, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from monogram.clusters.group import reads_same
from monogram.clusters.table import table
from monogram.endpoint import Endpoint, Form, parsed
from monogram.errors import EndpointError, InputError, ReaderError
from monogram.preferences import POLARITIES, Preference

FIELDS = ("attribute", "target", "polarity", "quote")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "preferences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "attribute": {"type": "string"},
                    "target": {"type": "string"},
                    "polarity": {"type": "string", "enum": list(POLARITIES)},
                    "quote": {"type": "string"},
                },
                "required": list(FIELDS),
                "additionalProperties": False,
            },
        }
    },
    "required": ["preferences"],
    "additionalProperties": False,
}
TASK = """You read what a person wrote and list what is lastingly true of that person.

Take only what they say about themself: likes, dislikes, allergies, habits, plans and plain facts. Leave
out other people, questions, wishes of the moment, things that are over, jokes, role-play, "if I ...", and
any text they only quote or ask to have worked on. If nothing is left, the list is empty.

Answer with JSON alone: {"preferences": [{"attribute": ..., "target": ..., "polarity": ..., "quote": ...}]}
- attribute: one of the names below if any fits, else a short name of your own.
- target: what is true of it, a few words in their own wording ("hiking", "two cats", "peanuts").
- polarity: "likes", "avoids" (an allergy, a dislike, a fear, a food never eaten) or "fact" ("vegan" is one).
- quote: the words that say it, copied exactly.
Attributes: """


class Llm:
    """Reads by asking a language model.

    Args:
        model: its name, else `$MONOGRAM_LLM_MODEL`.
        base_url: of the server, else `$OPENAI_BASE_URL`, else OpenAI's own.
        api_key: else `$OPENAI_API_KEY`; a server of one's own may need none.
        retries: how often a bad answer is sent back; failed connections are tried again as often.
        timeout: seconds to wait for an answer.
    """

    name = "llm"

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        retries: int = 2,
        timeout: float = 60.0,
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.api_key = api_key
        self.retries = retries
        self.timeout = timeout

    def same(self, one: str, other: str) -> bool:
        """Whether two targets read the same."""
        return reads_same(one, other)

    def read(self, turns: Sequence[str]) -> tuple[Preference, ...]:
        """The preferences in somebody's own turns, in the order of the answer.

        Raises:
            InputError: the extra is not installed, or no model or key is named.
            ReaderError: the model cannot be reached, refuses, or keeps answering badly.
        """
        if not any(turn.strip() for turn in turns):
            return ()
        messages = [
            {"role": "system", "content": TASK + ", ".join(table().names)},
            {"role": "user", "content": json.dumps(list(turns), ensure_ascii=False)},
        ]
        form = Form("preferences", SCHEMA)
        try:
            with Endpoint(self.model, self.base_url, self.api_key, self.retries, self.timeout).line() as line:
                return line.settle(messages, form, lambda answer: checked(answer, turns))
        except EndpointError as error:
            raise ReaderError(f"{error} Nothing was taken. Try another model, or --reader rules.") from error


def checked(answer: str, turns: Sequence[str]) -> tuple[Preference, ...]:
    """The preferences in a model's answer.

    Raises:
        InputError: no JSON, not by the schema, or something that the person did not say.
    """
    told = parsed(answer)
    records = told.get("preferences") if isinstance(told, dict) else None
    if not isinstance(records, list):
        raise InputError('It has no list "preferences".')
    said = [_plain(turn) for turn in turns]
    return tuple(_preference(record, place, said) for place, record in enumerate(records, start=1))


def _preference(record: object, place: int, said: Sequence[str]) -> Preference:
    if not isinstance(record, dict) or set(record) != set(FIELDS):
        raise InputError(f"Entry {place} has not just the fields {', '.join(FIELDS)}.")
    if not all(isinstance(value, str) for value in record.values()):
        raise InputError(f"Entry {place} has a field that is no text.")
    quote = _plain(record["quote"])
    if not quote or not any(quote in turn for turn in said):
        raise InputError(f"Entry {place} quotes {record['quote'][:80]!r}, which the person did not write.")
    known = table().find(record["attribute"])
    return Preference.checked(
        known.name if known is not None else record["attribute"],
        record["target"],
        record["quote"],
        record["polarity"],
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("\u2019", "'").split()).strip(" .,!\"'")
