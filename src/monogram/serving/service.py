"""What the routes call: one model, its engine, the people on it, and their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from monogram.errors import InputError, unknown
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.patch import Attachable
from monogram.people import Personalizer
from monogram.serving.edits import Edits
from monogram.serving.engine import Engine, Piece, twin
from monogram.serving.residency import BUDGET, Residency
from monogram.serving.sampling import Sampling


@dataclass(frozen=True)
class Settings:
    """How a server works.

    Attributes:
        rows: answers that are written together.
        queue: requests that may wait.
        resident_bytes: bytes of deltas that stay in memory.
        edits: changes that may wait.
        rate: requests a minute of one tenant; 0: as many as they like.
    """

    rows: int = 64
    queue: int = 256
    resident_bytes: int = BUDGET
    edits: int = 100
    rate: int = 0


class Service:
    """People on a model, served. `start` it before use, `close` it after.

    Args:
        people: the model, which is the service's alone from then on, and the store.
        settings: how it works.
    """

    def __init__(self, people: Personalizer, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.model: EditableModel = people.model
        self.engine = Engine(self.model, rows=self.settings.rows, queue=self.settings.queue)
        self.residency = Residency(people.store, self.model.digest, self.settings.resident_bytes)
        beside = Personalizer(twin(self.model), people.store, editor=people.editor, home=people.home)
        self.edits = Edits(beside, self.settings.edits)
        self.people = beside
        """For looking things up; what changes somebody is a job of `edits`."""

    @property
    def name(self) -> str:
        """What requests call the model."""
        return self.model.name

    def start(self) -> None:
        """Begin to work."""
        self.engine.start()

    def close(self) -> None:
        """Finish what was begun, and stop."""
        self.edits.close()
        self.engine.close()

    def who(self, model: str, user: str | None) -> str | None:
        """Whose answer a request wants: the field `user`, or what stands after the model's name.

        Args:
            model: the model's name, or `name:user`.
            user: the field; None for nobody.

        Returns:
            An id as it came, or None: the base model's answer.

        Raises:
            UnknownNameError: another model.
            InputError: two people.
        """
        named: str | None = None
        if model != self.name:
            if not model.startswith(f"{self.name}:"):
                raise unknown("model", model, [self.name, f"{self.name}:USER"])
            named = model[len(self.name) + 1 :]
        if named and user and named != user:
            raise InputError(
                f"The request names two people, {named!r} in the model and {user!r} as the user."
            )
        return named or user or None

    async def owner(self, user: str | None) -> Attachable | None:
        """What is put on the model for somebody. Raises as `Residency.owner`."""
        return None if user is None else await asyncio.to_thread(self.residency.owner, user)

    def chat_ids(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a conversation. Raises InputError."""
        return self.model.chat_ids(messages)

    def text_ids(self, text: str) -> list[int]:
        """Tokens of a text that is only gone on with.

        Raises:
            InputError: an empty one.
        """
        ids = [int(i) for i in self.model.tokenizer(text).input_ids]
        if not ids:
            raise InputError("The prompt is empty. Say something.")
        return ids

    async def write(self, ids: Sequence[int], user: str | None, sampling: Sampling) -> AsyncIterator[Piece]:
        """An answer for somebody, in pieces. Raises as `owner` and `Engine.submit`."""
        async for piece in self.engine.write(ids, await self.owner(user), sampling):
            yield piece
