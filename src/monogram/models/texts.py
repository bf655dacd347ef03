"""Ordinary text as rows of tokens: a corpus of conversations or paragraphs, and the model's own answers.

Each row knows where in it an answer starts. The default corpus was written for this project, in `corpus/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice, product
from pathlib import Path

from monogram.errors import InputError
from monogram.models.chat import Message, checked_messages, end_of_turn
from monogram.models.editable import EditableModel
from monogram.models.generate import generate

LONGEST = 1024
"""Tokens per row; longer text is cut into rows."""
OWN_ANSWERS, OWN_TOKENS = 1000, 128
"""The most that the model says itself: so many answers, of at most so many tokens."""
AT_ONCE = 32


@dataclass(frozen=True)
class Row:
    """Tokens of ordinary text.

    Attributes:
        ids: the tokens.
        starts: positions of the last token before an answer.
        repeated: the text stands in another row as well; only its starts are of use.
    """

    ids: tuple[int, ...]
    starts: tuple[int, ...] = ()
    repeated: bool = False


def tokens(rows: Iterable[Row]) -> int:
    """How many tokens of text there are; repeated rows don't count."""
    return sum(len(row.ids) for row in rows if not row.repeated)


def corpus_rows(em: EditableModel, corpus: Path | None, most: int) -> list[Row]:
    """Rows of a corpus, in its order, until there are `most` tokens.

    Args:
        corpus: a `.jsonl` file with a list of messages on each line, or plain text with blank lines between
            paragraphs; None: the project's own.

    Raises:
        InputError: the file is not there, holds no text, or a line is no conversation.
    """
    rows: list[Row] = []
    if corpus is None:
        made = _chats(em, lines("chats.jsonl"), "chats.jsonl", own=True)
    else:
        text = _text(corpus)
        if corpus.suffix == ".jsonl":
            made = _chats(em, text.splitlines(), corpus.name)
        else:
            made = (
                row for part in text.split("\n\n") if part.strip() for row in _paragraph(em, part.strip())
            )
    have = 0
    for row in made:
        rows.append(row)
        have += tokens([row])
        if have >= most:
            break
    if not rows:
        raise InputError(f"The corpus {corpus} holds no text. Give conversations or paragraphs.")
    return rows


def own_rows(
    em: EditableModel, needed: int, progress: Callable[[str, int, int], None] | None = None
) -> list[Row]:
    """The model's greedy answers to the project's prompts, until there are `needed` tokens or 1,000 answers.

    The first round asks without a system prompt, later ones with one of the project's.
    """
    rows: list[Row] = []
    chats = (
        [*([] if system is None else [_message("system", system)]), _message("user", prompt)]
        for system, prompt in product([None, *lines("systems.txt")], lines("prompts.txt"))
    )
    fitting = (chat for chat in chats if em.context is None or len(em.chat_ids(chat)) < em.context)
    for some in _chunks(islice(fitting, OWN_ANSWERS), AT_ONCE):
        if tokens(rows) >= needed:
            break
        if progress is not None:
            progress("asking the model for text", tokens(rows), needed)
        answers = generate(em, some, max_new_tokens=OWN_TOKENS, batch_size=AT_ONCE)
        for chat, answer in zip(some, answers, strict=True):
            rows += conversation(em, [*chat, _message("assistant", answer)])
    return rows


def conversation(em: EditableModel, messages: Sequence[Message]) -> list[Row]:
    """A conversation as the model meets it: the prompt of its last answer, the answer, the end of the turn.

    Where a template writes an earlier turn otherwise than it was asked for (Qwen3 takes thinking out), that
    turn's prompt is a row of its own, read where its answer starts.

    Raises:
        InputError: messages of another form, or a conversation that the template refuses.
    """
    chat = checked_messages(messages)
    turns = [i for i, message in enumerate(chat) if i and message["role"] == "assistant"]
    last = turns[-1] if turns and turns[-1] == len(chat) - 1 else len(chat)
    asked = [em.chat_ids(chat[:i]) for i in turns if i != last]
    prompt = em.chat_ids(chat[:last])
    whole = prompt + (_answer(em, chat[last]["content"]) if last < len(chat) else [])
    inside = [p for p in asked if whole[: len(p)] == p]
    rows = _cut(em, whole, [*(len(p) - 1 for p in inside), len(prompt) - 1])
    apart = [row for p in asked if p not in inside for row in _cut(em, p, [len(p) - 1])]
    return rows + [Row(row.ids, row.starts, repeated=True) for row in apart if row.starts]


def lines(name: str) -> list[str]:
    """The lines of one of the project's own texts."""
    text = (files("monogram") / "corpus" / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _text(corpus: Path) -> str:
    try:
        return corpus.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The corpus {corpus} cannot be read as text: {error}. Name another file."
        ) from error


def _chats(em: EditableModel, written: Sequence[str], name: str, *, own: bool = False) -> Iterator[Row]:
    for number, line in enumerate(written, 1):
        if not line.strip():
            continue
        try:
            chat = json.loads(line)
            if not isinstance(chat, list) or not all(isinstance(message, dict) for message in chat):
                raise InputError("no list of messages")
            yield from conversation(em, chat)
        except ValueError as error:  # bad JSON, or an InputError
            if own:
                raise  # the conversation is sound, so the template is not
            raise InputError(
                f"Line {number} of the corpus {name} is not a conversation: {error} Each line is a list of "
                '{"role": ..., "content": ...}.'
            ) from error


def _paragraph(em: EditableModel, text: str) -> list[Row]:
    return _cut(em, em.tokenizer(text).input_ids, [])


def _cut(em: EditableModel, ids: Sequence[int], starts: Sequence[int]) -> list[Row]:
    """Rows no longer than the model's context."""
    width = min(LONGEST, em.context or LONGEST)
    return [
        Row(tuple(ids[at : at + width]), tuple(s - at for s in starts if at <= s < at + width))
        for at in range(0, len(ids), width)
    ]


def _answer(em: EditableModel, text: str) -> list[int]:
    """Tokens of an assistant's message, with what ends it."""
    if not em.has_template:
        return [int(i) for i in em.tokenizer(f" {text}\n", add_special_tokens=False).input_ids]
    end = end_of_turn(em.tokenizer)
    ids = em.tokenizer(text, add_special_tokens=False).input_ids
    return [int(i) for i in ids] + ([] if end is None else [end])


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _chunks(chats: Iterator[list[dict[str, str]]], size: int) -> Iterator[list[list[dict[str, str]]]]:
    while some := list(islice(chats, size)):
        yield some
