"""Conversations: as plain data, through a tokenizer's chat template, and the plain template where there is
none.

    System: ...

    User: ...
    Assistant: ...
    User: ...
    Assistant:

Under the plain template an answer ends where the model would go on to a further turn, the user's or its own.
Knows tokenizers, but no models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from monogram.errors import InputError

Message = Mapping[str, str]
ROLES = ("system", "user", "assistant")
OPENING = "Assistant:"
PLAIN_STOPS = ("\nUser:", f"\n{OPENING}")
_PLAIN_STOP = re.compile("|".join(PLAIN_STOPS))


def checked_messages(messages: str | Sequence[Message]) -> list[dict[str, str]]:
    """A conversation as a list of {"role", "content"}; a string becomes one message of the user.

    Raises:
        InputError: empty, not of that form, an unknown role, or half a surrogate pair.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    chat: list[dict[str, str]] = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in ROLES or not isinstance(content, str):
            raise InputError(
                f"A message needs a role ({', '.join(ROLES)}) and a text as content; this one has role "
                f"{role!r} and content of type {type(content).__name__}."
            )
        try:
            content.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"A message has half a surrogate pair (U+{ord(content[error.start]):04X}) as character "
                f"{error.start + 1}. Remove it."
            ) from error
        chat.append({"role": role, "content": content})
    if not chat:
        raise InputError("The conversation is empty; give at least one message.")
    return chat


def plain_chat(chat: Sequence[Message]) -> str:
    """The plain template, up to where the answer starts."""
    lines = []
    for message in chat:
        end = "\n\n" if message["role"] == "system" else "\n"
        lines.append(f"{message['role'].capitalize()}: {message['content']}{end}")
    return "".join(lines) + OPENING


def plain_answer(text: str) -> str:
    """What of a text belongs to the answer, under the plain template."""
    return _PLAIN_STOP.split(text, maxsplit=1)[0]


def template_ids(tokenizer: Any, chat: Sequence[Message], name: str) -> list[int]:
    """Tokens of a conversation under the tokenizer's template, up to where the answer starts.

    Where the template refuses system messages, their text is put before the first message of the user.

    Raises:
        InputError: the template refuses the conversation.
    """
    options = {"add_generation_prompt": True, "return_dict": False, "enable_thinking": False}
    try:
        try:
            ids = tokenizer.apply_chat_template(chat, **options)
        except TemplateError:
            folded = _without_system(chat)
            if folded == chat:
                raise
            ids = tokenizer.apply_chat_template(folded, **options)
    except TemplateError as error:
        reason = str(error).rstrip(" .")
        raise InputError(
            f"The chat template of model '{name}' refuses this conversation: {reason}. Correct the template."
        ) from error
    return [int(i) for i in ids]


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the template puts right after an assistant's message, if it does."""
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "@@@@"}]
    try:
        text = str(tokenizer.apply_chat_template(chat, tokenize=False))
    except TemplateError:
        return None
    after = text.rpartition("@@@@")[2].lstrip()
    ids = tokenizer(after, add_special_tokens=False).input_ids if after else []
    added = tokenizer.added_tokens_decoder.get(ids[0]) if ids else None
    return int(ids[0]) if added is not None and added.special else None


def _without_system(chat: Sequence[Message]) -> list[dict[str, str]]:
    system = "\n\n".join(m["content"] for m in chat if m["role"] == "system")
    rest = [dict(m) for m in chat if m["role"] != "system"]
    if system and rest and rest[0]["role"] == "user":
        rest[0]["content"] = f"{system}\n\n{rest[0]['content']}"
    return rest
