"""The facts in words, for every baseline alike: attribute, target, the person's statement if there is one.

No fact is hidden from a baseline that an editor is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monogram.models.chat import Message
from monogram.preferences import Preference


def to_the_model(preferences: Iterable[Preference]) -> str:
    """The facts about the user, as the model is told them by somebody else."""
    return " ".join(about(p, "The user's", "The user") for p in preferences)


def by_the_user(preferences: Iterable[Preference]) -> str:
    """The facts in the user's own voice."""
    return " ".join(about(p, "My", "I") for p in preferences)


def about(preference: Preference, whose: str, who: str) -> str:
    """One fact as a sentence, with the person's own statement after it when there is one."""
    attribute, target = preference.attribute, preference.target.rstrip(".")
    if preference.polarity == "avoids":
        verb = "avoid" if who == "I" else "avoids"
        fact = f"{who} {verb} {target} ({attribute})."
    else:
        fact = f"{whose} {attribute} is {target}."
    if not preference.statement:
        return fact
    said = preference.statement if preference.statement[-1] in ".!?" else f"{preference.statement}."
    return f"{fact} {said}" if who == "I" else f'{fact} They said: "{said}"'


def copied(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The conversation, free to be changed."""
    return [dict(message) for message in messages]


def question_of(messages: Sequence[Message]) -> str:
    """What the user says last; empty where the user says nothing."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
