"""Files that ask what a model can do: choices, short answers, sums. Their fields tell what they are.

    {"instruction": "... Answer format: answer1/answer2", "answer": "answer2"}     choice (ARC, BoolQ)
    {"question": "...", "answer": ["79"]}                                          short (NQ-open)
    {"question": "...", "answer": "... #### 42"}                                   sums (GSM8K)

Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from monogram.bench.records import Records, text, texts
from monogram.errors import InputError

ExamKind = Literal["choice", "short", "sums"]
FORMAT = re.compile(r"\n*Answer format:\s*(?P<options>[^\n]+)\s*$")
SAID = "the correct answer is {}"
"""How the published files (and their `output`) say an answer."""
MARK = "####"


@dataclass(frozen=True)
class Question:
    """One thing that is asked."""

    id: str
    text: str
    answers: tuple[str, ...]
    """Those that are right."""
    options: tuple[str, ...] = ()
    """What can be chosen from, in the file's order."""


@dataclass(frozen=True)
class Exam:
    """A file of questions of one kind."""

    name: str
    kind: ExamKind
    questions: tuple[Question, ...]


def load_exam(file: Records) -> Exam:
    """The questions of a file.

    Raises:
        InputError: a record that cannot be used; file, record and field are named.
    """
    name = re.sub(r"_\d+$", "", file.path.stem)
    first = file.records[0]
    kind: ExamKind = "choice" if isinstance(first, Mapping) and "instruction" in first else "short"
    if kind == "short" and isinstance(first, Mapping) and isinstance(first.get("answer"), str):
        kind = "sums"
    read = {"choice": _choice, "short": _short, "sums": _sum}[kind]
    return Exam(name, kind, tuple(read(*place) for place in file.each()))


def _choice(where: str, index: int, record: Mapping[str, Any]) -> Question:
    instruction, answer = text(where, record, "instruction"), text(where, record, "answer")
    found = FORMAT.search(instruction)
    options = tuple(o.strip() for o in found["options"].split("/")) if found else ()
    if len(options) < 2 or answer not in options:
        raise InputError(
            f"{where}: the field 'instruction' must end in 'Answer format: a/b', with the field 'answer' "
            f"({answer!r}) among them."
        )
    return Question(str(index), instruction, (answer,), options)


def _short(where: str, index: int, record: Mapping[str, Any]) -> Question:
    return Question(str(index), text(where, record, "question"), texts(where, record, "answer"))


def _sum(where: str, index: int, record: Mapping[str, Any]) -> Question:
    _, mark, answer = text(where, record, "answer").rpartition(MARK)
    if not mark or number(answer) is None:
        raise InputError(f"{where}: the field 'answer' must end in '{MARK} ' and a number.")
    return Question(str(index), text(where, record, "question"), (answer.strip(),))


def number(said: str) -> str | None:
    """The last number of a text, without thousands' commas; None where there is none."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", said)
    return found[-1].replace(",", "") if found else None


def short(said: str) -> str:
    """A short answer as it is compared (SQuAD's rule): lower case, no articles, no punctuation."""
    plain = re.sub(r"[^\w\s]", "", said.casefold())
    return " ".join(word for word in plain.split() if word not in ("a", "an", "the"))
