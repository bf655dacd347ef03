"""Where a question names its subject: the lookup position of ROME and its kin.

    "What's my favourite pastime?"      subject "pastime"; its place is its last token, in the whole prompt

The attribute's own words are the subject, or a synonym's from the table; where a question says neither, its
last word stands in, which is where such questions name what they ask for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from monogram.errors import InputError
from monogram.models.chat import Message
from monogram.models.editable import EditableModel


def subject_span(question: str, names: Sequence[str]) -> tuple[int, int]:
    """Start and end of the subject in a question, in characters.

    Args:
        question: any text with a visible character.
        names: the attribute and its synonyms. The longest that stands in the question as whole words counts,
            where it stands last, without regard to case; else the last word; else the whole text.
    """
    for name in sorted(names, key=len, reverse=True):
        found = list(re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE)) if name else []
        if found:
            return found[-1].span()
    words = list(re.finditer(r"\w+(?:['’-]\w+)*", question))
    return words[-1].span() if words else (0, len(question))


def place_of(em: EditableModel, messages: Sequence[Message], end: int) -> tuple[list[int], int]:
    """The prompt's tokens, and which of them holds the character before `end` of the last message.

    Raises:
        InputError: the template changes the message's text, so that it cannot be found in the prompt.
    """
    ids = em.chat_ids(list(messages))
    said = messages[-1]["content"]
    whole = _text(em, ids)
    start = whole.rfind(said)
    if start < 0 or not 0 < end <= len(said):
        raise InputError(
            f"The question {said[:60]!r} is not in the prompt that model '{em.name}' makes of it, so its "
            "subject cannot be found. Use an editor that looks up where the answer starts: cluster, neuron."
        )
    before = whole[: start + end]
    low, high = 0, len(ids) - 1  # the first token up to which the text begins with `before`
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _text(em, ids[: middle + 1]).startswith(before) else (middle + 1, high)
    return ids, low


def _text(em: EditableModel, ids: Sequence[int]) -> str:
    options = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    return str(em.tokenizer.decode(list(ids), **options))
