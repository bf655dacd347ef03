"""Asks are done here: answers in batches, everything else one by one.

Which rows share a batch is decided by all asks together, done or not, and a batch is run whole or not at all:
so a run that was killed and goes on computes every answer exactly as an uninterrupted one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monogram.bench import likelihood
from monogram.bench.asks import Ask
from monogram.bench.drift import NextToken
from monogram.bench.methods import Prepared
from monogram.bench.passes import ROOM, Asked, Ready, Take, Taken, ready
from monogram.bench.protocol import Protocol
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.prompting.base import THOUGHT

HEAD = 12
"""Tokens of an answer's start that are kept, to see whether it changed."""
TOGETHER = 8192
"""Tokens of prompts, padded, that are read together at most."""
Fields = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """An ask, under what a method made ready."""

    ask: Ask
    prepared: Prepared

    @property
    def asked(self) -> Asked:
        """The conversation as the user has it."""
        return self.prepared, self.ask.chat

    @property
    def chat(self) -> list[dict[str, str]]:
        """The conversation as the method's first pass has it."""
        return self.prepared.wrap(self.ask.chat)

    @property
    def untouched(self) -> bool:
        """Whether the base model's own result is this one's, too."""
        prepared, ask = self.prepared, self.ask
        if prepared.delta is not None or prepared.respond is not None or prepared.passes > 1:
            return False
        if ask.how in ("next", "digest"):
            return False
        return not ask.chat or self.chat == [dict(message) for message in ask.chat]


class Worker:
    """Does asks on a model.

    Args:
        model: as the protocol sees it.
        protocol: how it is asked.
        batch_size: answers that are written together.

    Attributes:
        known: what the base model answered to methods before, by `given`: it is not asked again.
    """

    def __init__(self, model: EditableModel, protocol: Protocol, batch_size: int = 48) -> None:
        self.model = model
        self.protocol = protocol
        self.batch_size = batch_size
        self.known: Mapping[str, str] = {}
        self._ahead = NextToken(model)

    def given(self, ask: Ask) -> str:
        """What the base model's result hangs on."""
        longest = f" {self.protocol.limit(self.model, ask)}" if ask.how == "answer" else ""
        return f"{ask.digest}{longest}"

    def do(self, jobs: Sequence[Job], done: Callable[[int], bool]) -> Iterator[tuple[int, Fields]]:
        """(place of the job, what its row says), in no order; now and then of one that was done."""
        writing, after = list[int](), list[int]()
        for place, job in enumerate(jobs):
            if job.ask.how == "answer" and job.prepared.respond is None:
                why = self._too_long(job)
                fields = {"why": why} if why else self._known(job)
                if fields is None:
                    writing.append(place)
                elif not done(place):
                    yield place, fields
            elif job.ask.how == "next" and job.prepared.passes > 1:
                after.append(place)
            elif not done(place):
                yield place, self._one(job)
        batches = list(self._batches(jobs, writing))
        taken = Taken([[jobs[place].asked for place in batch] for batch in batches], self._ready)
        for number, batch in enumerate(batches):
            if not all(map(done, batch)):
                rows = self._answers([jobs[place] for place in batch], taken.of(number))
                yield from zip(batch, rows, strict=True)
        for place in after:
            if not done(place):
                yield place, self._next(jobs[place], taken.each)

    def gates(self, jobs: Sequence[Job]) -> list[float | None]:
        """How far what was made ready fires where the answer to each job starts; None where nothing tells.

        Args:
            jobs: all of one state, done or not: a reading's last bits hang on what is read with it.
        """
        found: list[float | None] = [None] * len(jobs)
        asked = [n for n, job in enumerate(jobs) if job.ask.how == "answer" and self._too_long(job) is None]
        if asked and (gates := jobs[asked[0]].prepared.gates) is not None:
            heard = gates([jobs[n].chat for n in asked])
            for n, gate in zip(asked, heard or (), strict=heard is not None):
                found[n] = round(gate, 4)
        return found

    def _batches(self, jobs: Sequence[Job], places: Sequence[int]) -> Iterator[list[int]]:
        """Places of jobs whose answers are written together: under one delta, for what these begin with alike
        is read once; alike in length, and not too many tokens.
        """
        lengths = {place: self._length(jobs[place]) for place in places}
        groups: dict[int, list[int]] = {}
        for place in sorted(places, key=lambda place: lengths[place], reverse=True):
            groups.setdefault(id(jobs[place].prepared.delta), []).append(place)
        for left in groups.values():
            while left:
                size = max(1, min(self.batch_size, TOGETHER // lengths[left[0]]))
                yield left[:size]
                del left[:size]

    def _known(self, job: Job) -> Fields | None:
        """The answer to the same prompt, where the base model has given it."""
        if job.prepared.delta is not None or job.prepared.passes > 1:
            return None
        said = self.known.get(self._prompt(job, job.chat))
        return None if said is None else self._said(said, self._ready([job.asked])[0])

    def _prompt(self, job: Job, chat: Sequence[Message]) -> str:
        """What the base model's answer hangs on, where the job puts its question like this."""
        return self.given(replace(job.ask, chat=tuple(chat)))

    def _ready(self, asked: Sequence[Asked]) -> list[Ready]:
        return ready(
            self.model,
            asked,
            batch_size=self.batch_size,
            thinking=self.protocol.thinking,
            known=self._written,
        )

    def _written(self, asked: Asked) -> str | None:
        """What a pass writes, where that was an answer before: it may write as much."""
        prepared, chat = asked
        ask = Ask("pass", tuple(chat))
        if prepared.delta is not None or self.protocol.limit(self.model, ask) != THOUGHT:
            return None
        return self.known.get(self.given(ask))

    def _answers(self, jobs: Sequence[Job], put: Sequence[Ready]) -> list[Fields]:
        answers = generate(
            self.model,
            [now.chat for now in put],
            deltas=[job.prepared.delta for job in jobs],
            max_new_tokens=[self.protocol.limit(self.model, job.ask) for job in jobs],
            thinking=self.protocol.thinking,
            batch_size=self.batch_size,
        )
        rows = [self._said(answer, now) for answer, now in zip(answers, put, strict=True)]
        for job, row, now in zip(jobs, rows, put, strict=True):
            if job.prepared.delta is None:
                row["prompt"] = self._prompt(job, now.chat)
        return rows

    def _said(self, answer: str, put: Ready) -> Fields:
        ids = self.model.tokenizer(answer, add_special_tokens=False).input_ids
        return {
            "answer": answer,
            "head": [int(i) for i in ids][:HEAD],
            "extra_tokens": put.extra_tokens,
        }

    def _one(self, job: Job) -> Fields:
        ask, prepared = job.ask, job.prepared
        if ask.how == "digest":
            return {"digest": prepared.digest}
        if ask.how == "next":
            return self._next(job, self._ready)
        if ask.how == "text":
            loss, tokens = likelihood.plain(self.model, ask.text, prepared.delta)
            return {"loss": loss, "tokens": tokens}
        if why := self._too_long(job):
            return {"why": why}
        if ask.how == "options":
            prompt = self.model.chat_ids(self._ready([job.asked])[0].chat)
            weighed = likelihood.options(self.model, prompt, ask.options, prepared.delta)
            return {"loglik": [value for value, _ in weighed], "tokens": [count for _, count in weighed]}
        if prepared.respond is None:
            raise RuntimeError(f"an ask of kind {ask.how!r} has nobody to do it")
        return self._said(prepared.respond(ask.chat), self._ready([job.asked])[0])

    def _next(self, job: Job, take: Take) -> Fields:
        """The next token; at few of the conversations, where the method writes before it answers."""
        prepared, ask = job.prepared, job.ask
        few = ask.few if prepared.passes > 1 else ()
        chats = [ask.chats[place] for place in few] or ask.chats
        put = take([(prepared, chat) for chat in chats])
        found = self._ahead.measure(chats, prepared.delta, [now.chat for now in put])
        return {"kl": [kl for kl, _ in found], "agrees": [same for _, same in found]}

    def _length(self, job: Job) -> int:
        """Tokens of the longest conversation that the job may take, before its answer."""
        question = self.model.tokenizer(job.ask.question).input_ids  # a later pass may say it once more
        room = (ROOM + len(question)) * (job.prepared.passes - 1)
        return len(self.model.chat_ids(job.chat)) + room

    def _too_long(self, job: Job) -> str | None:
        """Why a conversation cannot be asked, if so."""
        texts = [self.model.tokenizer(f" {text}").input_ids for text in job.ask.options]
        tokens = self._length(job) + max(map(len, texts), default=0)
        context = self.model.context
        if context is None or tokens < context:
            return None
        return f"The conversation has {tokens} tokens; the model takes {context} with the answer."
