"""What a person said about themself: their own turns of a conversation, as plain first-person clauses.

    "Hi, I'm Ann and I really love hiking. Do you?"  ->  "I am Ann", "I love hiking"

Left out: whatever the assistant or the system said, questions, conditions, wishes, jokes, what others say
or think, what stands in quotation marks or in code, and texts that are only to be worked on. Knows no
attribute; what it goes by is data, `forms/said.toml`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from monogram.errors import InputError

Said = str | Sequence[Mapping[str, Any]]
"""A sentence (or several), or a conversation: messages with `role` and `content`."""
LONGEST, SENTENCE = 200, 1000
"""Characters; a longer clause or sentence is no plain statement."""
PATTERNS = "take_back request question tail filler shared am_elided i_elided end pair we"


@dataclass(frozen=True)
class Clause:
    """One thing said: `text` in plain first person, and the whole `sentence` as it was typed."""

    text: str
    sentence: str


def turns(said: Said) -> tuple[str, ...]:
    """The person's own turns, in order.

    Raises:
        InputError: neither text nor a list of messages with `role` and `content`.
    """
    if isinstance(said, str):
        return (said,)
    own = []
    if not isinstance(said, Sequence):
        raise InputError(f"A text or a list of messages is needed, but this is {type(said).__name__}.")
    for place, message in enumerate(said, start=1):
        role = message.get("role") if isinstance(message, Mapping) else None
        if not isinstance(role, str) or not isinstance(message, Mapping) or "content" not in message:
            raise InputError(f"Message {place} has no 'role' and 'content'. Give a list of such messages.")
        if role == "user":
            own.append(_content(place, message["content"]))
    return tuple(own)


def _content(place: int, content: object) -> str:
    """The text of a message; of one in parts (OpenAI's form), the text parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and all(isinstance(part, Mapping) for part in content):
        return "\n".join(
            str(part["text"]) for part in content if part.get("type") == "text" and "text" in part
        )
    raise InputError(
        f"The content of message {place} must be text, but it is {type(content).__name__}. Give a string."
    )


def clauses(turn: str) -> Iterator[Clause]:
    """The clauses of one turn that are about the person, in order."""
    data = grammar()
    kept: list[list[Clause]] = []
    for sentence in _sentences(turn):
        text = _spelled_out(sentence)
        if data["take_back"].search(text):
            if kept and not data["take_back"].sub("", text).strip(" .!,"):
                kept.pop()
            continue
        if data["request"].match(text):
            if ":" in text:
                break  # the rest of the turn is what is to be worked on
            continue
        plain = _statement(text)
        kept.append([Clause(part, sentence) for part in _parts(plain)] if plain else [])
    for found in kept:
        yield from found


def _sentences(turn: str) -> Iterator[str]:
    data = grammar()
    text = "".join(c for c in turn if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    text = re.sub(r"```.*?```|^ *>[^\n]*$", " ", text, flags=re.DOTALL | re.MULTILINE)
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    text = re.sub(r'"[^"\n]*\b(?:I|I\'m|my|me)\b[^"\n]*"', " ", text)  # somebody's words
    for piece in data["end"].split(text):
        sentence = " ".join(piece.split())
        if 0 < len(sentence) <= SENTENCE:
            yield sentence


def _spelled_out(sentence: str) -> str:
    """The sentence with its short forms written out."""
    data = grammar()
    text: str = data["short_form"].sub(lambda m: data["short"][m[0].lower()], sentence)
    text = data["short_form"].sub(lambda m: data["short"][m[0].lower()], text)  # "I've got" takes two steps
    return str(data["pair"].sub("we", text))


def _statement(text: str) -> str:
    """The sentence without openings that say nothing; empty where it states nothing."""
    data = grammar()
    if text.rstrip(" \")'").endswith("?"):
        text = data["tail"].sub("", text)
        if text.rstrip().endswith("?"):
            return ""
    text = data["filler"].sub("", text).strip()
    if data["question"].match(text) or any(pattern.search(text) for pattern in data["leave"]):
        return ""
    text = re.sub(r",? (?:if|unless|only if|as if)\b.*", "", text, flags=re.IGNORECASE)
    return str(re.sub(r"[\s.!,;:]+$", "", text))


def _parts(text: str) -> Iterator[str]:
    """The clauses of a statement, each with its own "I"."""
    data = grammar()
    before = ""
    for piece in data["joint"].split(text):
        part = _subject(data["filler"].sub("", piece.strip(" ,")).strip(" ,"))
        if before and data["go_on"].match(part):
            shared = data["shared"].match(before)
            part = f"{shared[0]} {part}" if shared else f"I {part}"
        part = data["we"].sub("I", part, count=1)
        part = re.sub(r"^(I) are\b", "I am", part)
        part = data["adverbs"].sub(r"\1 ", part)
        part = data["never"].sub(r"\1 do not ", part)
        if part and len(part) <= LONGEST:
            yield part
        before = part if part.lower().startswith("i ") else ""


def _subject(part: str) -> str:
    """The clause with the "I" (or "I am") that was not typed."""
    data = grammar()
    if data["am_elided"].match(part):
        return f"I am {part}"
    return f"I {part}" if data["i_elided"].match(part) else part


@cache
def grammar() -> dict[str, Any]:
    """The patterns of `said.toml`, compiled. Immutable, read once."""
    told = tomllib.loads((files("monogram.clusters") / "forms" / "said.toml").read_text(encoding="utf-8"))

    def ready(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE)

    made: dict[str, Any] = {name: ready(told[name]) for name in PATTERNS.split()}
    made["short"] = told["short"]
    short = "|".join(re.escape(form) for form in sorted(told["short"], key=len, reverse=True))
    made["short_form"] = ready(rf"(?<![\w'])(?:{short})(?![\w'])")
    made["leave"] = [ready(pattern) for pattern in told["leave"]]
    go_on = told["go_on"].replace("<adverb>", told["adverb"])
    made["go_on"] = ready(rf"{go_on}\b")
    made["joint"] = ready(told["joint"].replace("<go_on>", go_on))
    made["adverbs"] = ready(rf"^(I(?: am| have)?) (?:{told['adverb']} )+")
    made["never"] = ready(rf"^(I) {told['never']} ")
    return made
