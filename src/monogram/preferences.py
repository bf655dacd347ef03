"""What is true of a person, as plain data. Knows nothing of models, files or torch."""

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

from monogram.errors import InputError, unknown

Polarity = Literal["likes", "avoids", "fact"]
POLARITIES: tuple[str, ...] = get_args(Polarity)
MAX_NAME = 200
"""Longest attribute, target or user id, in characters."""
MAX_STATEMENT = 2000
"""Longest statement, in characters."""


@dataclass(frozen=True)
class Preference:
    """One thing that is true of a person.

    The constructor only stores; :meth:`checked` is the way in for anything that a person or a file said.
    """

    attribute: str
    """What it is about, say ``hobby``."""
    target: str
    """What is true of it, say ``Hiking``."""
    statement: str = ""
    """How the person said it, if they did. No part of the digest."""
    polarity: Polarity = "likes"
    """``likes``, ``avoids`` (an allergy, a dislike, a food that is left out) or ``fact`` (a job, "vegan")."""

    @classmethod
    def checked(cls, attribute: str, target: str, statement: str = "", polarity: str = "likes") -> Self:
        """A preference in normal form: NFC, no blanks around, runs of blanks and line ends made one blank.

        Raises:
            InputError: empty or longer than 200 characters (attribute, target) or 2000 (statement), or with
                control characters.
            UnknownNameError: a polarity that is none of the three.
        """
        if polarity not in POLARITIES:
            raise unknown("polarity", str(polarity), POLARITIES)
        return cls(
            attribute=_line("attribute", attribute, MAX_NAME),
            target=_line("target", target, MAX_NAME),
            statement=_line("statement", statement, MAX_STATEMENT, empty=True),
            polarity=cast(Polarity, polarity),
        )

    @property
    def digest(self) -> str:
        """sha256 (64 hex digits) of attribute (case folded), target and polarity: what makes it this one."""
        record = {
            "attribute": unicodedata.normalize("NFC", self.attribute.casefold()),
            "polarity": self.polarity,
            "target": self.target,
        }
        text = json.dumps(record, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Profile:
    """A person, by an opaque id, and what is true of them."""

    user: str
    preferences: tuple[Preference, ...] = ()


def check_user(user: str) -> str:
    """The user's id in NFC.

    An id is opaque, so nothing is trimmed or folded: two ids that differ must stay two people.

    Raises:
        InputError: not 1 to 200 characters, blanks at the ends, or control characters.
    """
    text = _text("user", user)
    if text != text.strip():
        raise InputError(f"The user id {_shown(text)} begins or ends with a blank. Give it without.")
    _measure("user", text, MAX_NAME)
    _refuse_controls("user", text)
    return text


def _line(what: str, given: str, limit: int, *, empty: bool = False) -> str:
    text = unicodedata.normalize("NFC", _text(what, given).replace("\ufeff", ""))
    for blank in "\t\n\r\u2028\u2029":
        text = text.replace(blank, " ")
    _refuse_controls(what, text)
    text = " ".join(text.split())
    if text or not empty:
        _measure(what, text, limit)
    return text


def _text(what: str, given: object) -> str:
    if not isinstance(given, str):
        raise InputError(f"The {what} must be text, but it is {type(given).__name__}. Give a string.")
    return unicodedata.normalize("NFC", given)


def _measure(what: str, text: str, limit: int) -> None:
    if not any(unicodedata.category(c)[0] not in "ZC" for c in text):
        raise InputError(f"The {what} is empty. Give at least one visible character.")
    if len(text) > limit:
        raise InputError(
            f"The {what} has {len(text)} characters; at most {limit} can be kept. Say it shorter."
        )


def _refuse_controls(what: str, text: str) -> None:
    for place, c in enumerate(text, start=1):
        if unicodedata.category(c) in ("Cc", "Cs"):
            name = "half a surrogate pair" if unicodedata.category(c) == "Cs" else "a control character"
            raise InputError(f"The {what} has {name} (U+{ord(c):04X}) as character {place}. Remove it.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
