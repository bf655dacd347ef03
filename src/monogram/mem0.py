"""What mem0's `get_all` gives, as a profile: `json.dump(memory.get_all(filters={"user_id": "alice"}), file)`.

    {"results": [{"id": ..., "memory": "User likes to play cricket", "user_id": "alice", "metadata": {...},
                  "created_at": ..., "updated_at": ..., "role": ..., "attributed_to": ...}, ...]}

or a bare list, as older versions gave. A memory whose metadata says `attribute` and `target` is taken at its
word; from any other one the preferences are read, put into the first person, as the person would say it. What
an assistant said, or is remembered of one, is left alone. Memories are taken oldest first, so that of two
values the newer one stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monogram.clusters.group import from_words
from monogram.clusters.table import table
from monogram.errors import InputError
from monogram.preferences import Preference, Profile, check_user
from monogram.profiles import located, read_text

Read = Callable[[str], Iterable[Preference]]
"""Finds the preferences in one sentence in the first person; none where there are none."""
MAX_BYTES = 20_000_000
"""Longest file."""


@dataclass(frozen=True)
class Memories:
    """What was found in a file.

    Attributes:
        profile: the preferences, oldest first.
        empty: memories in which there is no preference.
        others: how many memories are of an assistant or of other people.
        partial: whether the file is one page of several.
    """

    profile: Profile
    empty: tuple[str, ...]
    others: int
    partial: bool


def read_memories(path: Path, *, read: Read, user: str | None = None) -> Memories:
    """The preferences in a file that holds what `get_all` gave.

    Args:
        path: the JSON file, at most 20 MB.
        read: finds preferences in a sentence.
        user: whose they are, instead of the file's `user_id`; of several people in the file, the one to take.

    Raises:
        InputError: it cannot be read, is not of that form, or is about nobody, or several people; names the
            file and the memory.
    """
    rows, partial = _rows(path)
    checked = [_checked(row, f"{path}, memory {n}") for n, row in enumerate(rows, start=1)]
    told = [row for row in checked if "assistant" not in (row.get("role"), row.get("attributed_to"))]
    people = sorted({str(row["user_id"]) for row in told if row.get("user_id")})
    if len(people) > 1 and user not in people:
        shown = ", ".join(people[:10])
        raise InputError(f"{path} is about {len(people)} people ({shown}). Say which one with --user.")
    if user is None and not people:
        raise InputError(f"{path} has no memory with a 'user_id'. Say whose they are with --user.")
    name = user if user is not None else people[0]
    mine = [row for row in told if len(people) < 2 or row.get("user_id") == name]
    found: list[Preference] = []
    empty: list[str] = []
    for row in _oldest_first(mine):
        with located(str(row["where"])):
            preferences = _preferences(row, read)
        found += preferences
        if not preferences:
            empty.append(str(row["memory"]))
    with located(str(path)):
        profile = Profile(check_user(name), tuple(found))
    return Memories(profile, tuple(empty), len(checked) - len(mine), partial)


def first_person(memory: str) -> str:
    """A memory as the person would say it; what is no memory about "the user" stays as it is.

    >>> first_person("User likes to play cricket")
    'I like to play cricket.'
    >>> first_person("Name is John")
    'My name is John.'
    """
    text = " ".join(memory.split()).rstrip(".")
    text = re.sub(r"^(the\s+)?user('s|s')\s+", "My ", text, flags=re.IGNORECASE)
    if re.match(r"(i|my|we|our|i'm|i've)\b", text, flags=re.IGNORECASE):
        return f"{text}."
    text, named = re.subn(r"^(the\s+)?user\s+", "", text, flags=re.IGNORECASE)
    verb, _, rest = text.partition(" ")
    own = re.sub(r"\btheir\b", "my", rest)
    if (said := _VERBS.get(verb.casefold())) is not None:
        return f"I {said} {own}."
    plain = _plain(verb.casefold())
    if rest and (named or (plain != verb.casefold() and _COMMON.fullmatch(plain))):
        return f"I {plain} {own}."
    if re.search(r"\b(is|are)\b", rest):
        return f"My {text[:1].lower()}{text[1:]}."
    return memory.strip()


_VERBS: Mapping[str, str] = {
    "is": "am",
    "has": "have",
    "was": "was",
    "does": "do",
    "goes": "go",
    "doesn't": "don't",
    "isn't": "am not",
    "hasn't": "haven't",
}
_COMMON = re.compile(
    "adore|avoid|collect|crave|dislike|drink|drive|eat|enjoy|favor|follow|hate|like|listen|live|love|need|own|"
    "play|practi[cs]e|prefer|read|speak|study|support|teach|use|want|watch|work"
)
"""What a memory without a subject begins with: of these we know that they are verbs."""


def _plain(verb: str) -> str:
    """A verb's plain form: likes, watches, studies."""
    for ending, plain in (
        ("ies", "y"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("sses", "ss"),
        ("ss", "ss"),
        ("s", ""),
    ):
        if verb.endswith(ending) and len(verb) > len(ending) + 1:
            return verb.removesuffix(ending) + plain
    return verb


def _rows(path: Path) -> tuple[Sequence[Any], bool]:
    try:
        found = json.loads(read_text(path, MAX_BYTES))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: this is no JSON: {error.msg}.") from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply for memories.") from error
    rows = found.get("results") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise InputError(f"{path} must be a list of memories, or have one as 'results', as get_all gives it.")
    return rows, bool(isinstance(found, dict) and found.get("next"))


def _checked(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("memory"), str):
        raise InputError(f"{where}: there is no text 'memory'. Give what mem0's get_all gives.")
    return {**row, "where": where}


def _preferences(row: Mapping[str, Any], read: Read) -> list[Preference]:
    told = row.get("metadata")
    if isinstance(told, dict) and "attribute" in told and "target" in told:
        words = told["attribute"], told["target"]
        return [from_words(table(), *words, sentence=row["memory"], polarity=told.get("polarity"))]
    return [
        Preference.checked(p.attribute, p.target, row["memory"], p.polarity)
        for p in read(first_person(row["memory"]))
    ]


def _oldest_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By the time of their last change; those that state none keep their place before the others."""

    def when(row: Mapping[str, Any]) -> datetime:
        try:
            time = datetime.fromisoformat(str(row.get("updated_at") or row.get("created_at")))
        except ValueError:
            return datetime.min.replace(tzinfo=UTC)
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)

    return sorted(rows, key=when)
