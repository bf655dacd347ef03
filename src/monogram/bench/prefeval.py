"""Files in PrefEval's format: a preference said in a sentence, a question that it decides, options, unrelated
turns.

What a sentence says is taken from the file's `subject` and `target` where it has them, else from what the
rules find in it, else the topic is the attribute and the sentence the target. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from monogram.bench.facts import Fact
from monogram.bench.records import Records, field, text, texts
from monogram.clusters.extract import Reader, propose
from monogram.clusters.rules import Rules
from monogram.errors import InputError
from monogram.models.chat import ROLES
from monogram.preferences import MAX_NAME, Preference

Turn = tuple[str, str]
"""What the user says, and the answer."""


@dataclass(frozen=True)
class Situation:
    """One record: a preference, and a question whose answer should respect it."""

    id: str
    topic: str
    statement: str
    question: str
    fact: Fact
    options: tuple[str, ...] = ()
    """Answers to choose from, the right one first; empty where the file has none."""


def load_situations(file: Records) -> tuple[Situation, ...]:
    """The records of a file with `preference` and `question`, and options where it has them.

    Raises:
        InputError: a record that cannot be used; file, record and field are named.
    """
    rules = Rules()
    return tuple(_situation(file.path, rules, *place) for place in file.each())


def _situation(path: Path, rules: Reader, where: str, index: int, record: Mapping[str, Any]) -> Situation:
    statement, question = text(where, record, "preference"), text(where, record, "question")
    options: tuple[str, ...] = ()
    if "classification_task_options" in record:
        options = texts(where, record, "classification_task_options", least=2)
    topic = text(where, record, "topic") if "topic" in record else path.stem
    topic = topic.replace("_", " ").replace("-", " ")
    name = f"{path.parent.name}/{path.stem}:{index}"
    if "subject" in record or "target" in record:
        attribute, target = text(where, record, "subject"), text(where, record, "target")
        said = Preference.checked(attribute, target, statement)
    else:
        found = propose(statement, rules)
        said = found[0] if found else Preference.checked(topic, statement[:MAX_NAME], statement)
    return Situation(name, topic, statement, question, Fact(name, said), options)


def load_turns(file: Records) -> tuple[tuple[Turn, ...], ...]:
    """Unrelated conversations, each as pairs of what the user says and the answer.

    Raises:
        InputError: a record that cannot be used; file, record and field are named.
    """
    return tuple(_turns(*place) for place in file.each())


def _turns(where: str, index: int, record: Mapping[str, Any]) -> tuple[Turn, ...]:
    del index
    messages = field(where, record, "conversation")
    if not isinstance(messages, list) or not messages:
        raise InputError(f"{where}: the field 'conversation' must be a list of messages.")
    said: list[tuple[str, str]] = []
    for place, message in enumerate(messages):
        at = f"{where}, conversation[{place}]"
        if not isinstance(message, Mapping):
            raise InputError(f"{at}: must be a message with role and content.")
        role = text(at, message, "role")
        if role not in ROLES:
            raise InputError(f"{at}: the field 'role' is {role!r}; it must be one of {', '.join(ROLES)}.")
        said.append((role, str(field(at, message, "content"))))
    pairs = pairwise(said)
    return tuple((asked, told) for (a, asked), (b, told) in pairs if (a, b) == ("user", "assistant"))
