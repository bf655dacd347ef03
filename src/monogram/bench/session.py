"""The work of a run: what is missing is made, item by item in chunks, and written down at once.

Base answers are made once per question and shared. For each method the items go in chunks: their
preferences are taken in, then all their questions are answered in big batches, each row under its own
delta.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monogram.bench.drift import DriftProbe
from monogram.bench.items import Item
from monogram.bench.methods import Method, Prepared
from monogram.bench.questions import Question, Upqa
from monogram.bench.raw import BASE, Key, RawLog, key
from monogram.delta import Delta
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.prompting.base import extra_tokens

HEAD = 12
"""Tokens of an answer's start that are kept, to see whether it changed."""

Progress = Callable[[str, int, int], None]
Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Settings:
    """How a run is done."""

    max_new_tokens: int = 64
    """Longest answer, in tokens (docs/evaluation.md §1)."""
    drift: bool = True
    """Whether the drift prompts are run."""
    batch_size: int = 16
    """Rows that run together. Changes speed alone, as does the next."""
    chunk: int = 8
    """Items whose edits are held in memory together."""
    seed: int = 0
    """Of the bootstrap; answers are greedy, and editors have seeds of their own."""


class Session:
    """What is left of a run, method by method; everything goes to the log at once."""

    def __init__(
        self, model: EditableModel, task: Upqa, log: RawLog, settings: Settings, progress: Progress
    ) -> None:
        self.model = model
        self.task = task
        self.log = log
        self.settings = settings
        self.progress = progress
        self._total = self._left = 0

    def base_answers(self) -> None:
        """The base model's answer to every question, each once."""
        texts = dict.fromkeys(q.text for item in self.task.items for q in self.task.questions(item))
        left = [text for text in texts if _base_key(text) not in self.log.records]
        done = len(texts) - len(left)

        def written(index: int, answer: str) -> None:
            nonlocal done
            record = {"method": BASE, "item": -1, "kind": BASE, "variant": left[index]}
            self.log.append({**record, "answer": answer, "head": self._head(answer)})
            done += 1
            self.progress("base answers", done, len(texts))

        self._generate([_asked(text) for text in left], [None] * len(left), written)

    def method(self, method: Method) -> None:
        """One method over all items that are not done."""
        left = [item for item in self.task.items if self._missing(method, item)]
        self._total = sum(len(self.task.questions(item)) for item in self.task.items)
        for start in range(0, len(left), self.settings.chunk):
            chunk = left[start : start + self.settings.chunk]
            ready = []
            for place, item in enumerate(chunk, start=start):
                self.progress(f"{method.name}: preferences", place, len(left))
                ready.append(self._prepare(method, item))
            self.progress(f"{method.name}: preferences", start + len(chunk), len(left))
            self._answer(method, chunk, ready)
            if self.settings.drift:
                self._drift(method, chunk, ready)

    def _missing(self, method: Method, item: Item) -> bool:
        wanted = ["prepare", *(["drift"] if self.settings.drift else [])]
        lacks = any((method.name, item.index, kind, "") not in self.log.records for kind in wanted)
        return lacks or bool(self._unanswered(method, item))

    def _unanswered(self, method: Method, item: Item) -> list[Question]:
        return [
            question
            for question in self.task.questions(item)
            if (method.name, item.index, question.kind, question.variant) not in self.log.records
        ]

    def _prepare(self, method: Method, item: Item) -> Prepared:
        """Take a preference in. The first measured time stays, unless the delta has become another one."""
        prepared = method.prepare(item)
        record = {
            "method": method.name,
            "item": item.index,
            "kind": "prepare",
            "attribute": item.attribute,
            "target": item.target,
            "seconds": prepared.seconds,
            "delta": "" if prepared.delta is None else prepared.delta.digest,
            "details": dict(prepared.details),
        }
        before = self.log.records.get(key(record))
        if before is None or before["delta"] != record["delta"]:
            self.log.append(record)
        return prepared

    def _answer(self, method: Method, items: Sequence[Item], ready: Sequence[Prepared]) -> None:
        """All questions of these items that have no answer yet."""
        self._left = sum(len(self._unanswered(method, item)) for item in self.task.items)
        chats: list[Chat] = []
        deltas: list[Delta | None] = []
        records: list[dict[str, Any]] = []
        for item, prepared in zip(items, ready, strict=True):
            for question in self._unanswered(method, item):
                before = _asked(question.text)
                after = prepared.wrap(before)
                record = {
                    "method": method.name,
                    "item": item.index,
                    "kind": question.kind,
                    "variant": question.variant,
                    "attribute": item.attribute,
                    "target": item.target,
                    "question": question.text,
                    "extra_tokens": extra_tokens(self.model, before, after),
                }
                if prepared.delta is None and after == before:
                    base = self.log.records[_base_key(question.text)]
                    self._written(method, {**record, "answer": base["answer"], "head": base["head"]})
                    continue
                chats.append(after)
                deltas.append(prepared.delta)
                records.append(record)

        def written(index: int, answer: str) -> None:
            self._written(method, {**records[index], "answer": answer, "head": self._head(answer)})

        self._generate(chats, deltas, written)

    def _written(self, method: Method, record: dict[str, Any]) -> None:
        self.log.append(record)
        self._left -= 1
        self.progress(f"{method.name}: answers", self._total - self._left, self._total)

    def _generate(
        self, chats: Sequence[Chat], deltas: Sequence[Delta | None], done: Callable[[int, str], None]
    ) -> None:
        generate(
            self.model,
            chats,
            deltas=deltas,
            max_new_tokens=self.settings.max_new_tokens,
            batch_size=self.settings.batch_size,
            on_done=done,
        )

    def _head(self, answer: str) -> list[int]:
        ids: Iterable[int] = self.model.tokenizer(answer, add_special_tokens=False).input_ids
        return [int(i) for i in ids][:HEAD]

    def _drift(self, method: Method, items: Sequence[Item], ready: Sequence[Prepared]) -> None:
        """The drift prompts under each item's delta or prompt."""
        left = [
            (item, prepared)
            for item, prepared in zip(items, ready, strict=True)
            if (method.name, item.index, "drift", "") not in self.log.records
        ]
        for place, (item, found) in enumerate(self._probe.measure(left), start=1):
            self.log.append({"method": method.name, "item": item.index, "kind": "drift", **found.as_record()})
            self.progress(f"{method.name}: drift", place, len(left))

    @cached_property
    def _probe(self) -> DriftProbe:
        return DriftProbe(self.model, self.task.drift_prompts, self.settings.batch_size)


def _asked(text: str) -> Chat:
    return [{"role": "user", "content": text}]


def _base_key(text: str) -> Key:
    return BASE, -1, BASE, text
