"""Readers by name, and the files that they read from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from monogram.clusters.extract import Reader, propose
from monogram.clusters.said import Said
from monogram.errors import InputError, unknown
from monogram.preferences import Preference

READERS = ("rules", "embed", "llm")


def reader(
    name: str | Reader = "rules",
    *,
    home: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Reader:
    """The reader called `name`; a reader is handed back as it is.

    `rules` needs nothing; `embed` fetches a sentence encoder (84 MB) the first time; `llm` asks an
    OpenAI-compatible model, named by MONOGRAM_LLM_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY.

    Raises:
        UnknownNameError: no such reader.
        ModelError: the encoder cannot be fetched, or is damaged.
    """
    if not isinstance(name, str):
        return name
    if name == "rules":
        from monogram.clusters.rules import Rules

        return Rules()
    if name == "embed":
        from monogram.clusters.nearest import Nearest
        from monogram.models.sentences import SentenceEncoder

        return Nearest(SentenceEncoder.load(home=home, progress=progress))
    if name == "llm":
        from monogram.clusters.llm import Llm

        return Llm()
    raise unknown("reader", name, READERS)


def found(said: Said, by: Reader) -> tuple[Preference, ...]:
    """What `propose` finds, at least one.

    Raises:
        InputError: there is nothing lasting about the person in it.
        ReaderError: as the reader.
    """
    if proposals := propose(said, by):
        return proposals
    raise InputError(
        "No preference was found: nothing in it tells what somebody lastingly likes, avoids or is. Say it "
        "plainly ('I love hiking.'), or give an attribute and a target. Nothing was changed."
    )


def conversation(path: Path) -> Said:
    """The conversation in a JSON file: a list of messages, or an object with `messages`.

    Raises:
        InputError: no such file, no JSON, or something else in it.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}. Check the path.") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({' '.join(str(error).split())[:80]}).") from error
    told = told.get("messages") if isinstance(told, dict) else told
    if not isinstance(told, list):
        raise InputError(
            f"{path} holds no conversation. Give a JSON list of messages with 'role' and 'content'."
        )
    return told
