"""What the routes call: one model, who writes its answers, the people on it, and their changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from monogram.errors import InputError, unknown
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.people import Personalizer
from monogram.serving.answers import Answers, Embedded
from monogram.serving.edits import Edits
from monogram.serving.engine import Engine, Piece, twin
from monogram.serving.gateway import Gateway
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
        upstreams: vLLM servers that write the answers; none: this process does.
        upstream_key: their API key.
    """

    rows: int = 64
    queue: int = 256
    resident_bytes: int = BUDGET
    edits: int = 100
    rate: int = 0
    upstreams: tuple[str, ...] = ()
    upstream_key: str = ""


class Service:
    """People on a model, served. `start` it before use, `close` it after.

    Args:
        people: the model, which is the service's alone from then on, and the store.
        settings: how it works.
    """

    def __init__(self, people: Personalizer, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.model: EditableModel = people.model
        self.answers = self._answers(people)
        beside = Personalizer(twin(self.model), people.store, editor=people.editor, home=people.home)
        self.edits = Edits(beside, self.settings.edits, self.answers.changed)
        self.people = beside
        """For looking things up; what changes somebody is a job of `edits`."""

    @property
    def name(self) -> str:
        """What requests call the model."""
        return self.model.name

    def start(self) -> None:
        """Begin to work; in a running event loop."""
        self.answers.start()

    def close(self) -> None:
        """Finish what was begun, and stop; not in the event loop's thread."""
        self.edits.close()
        self.answers.close()

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

    def write(self, ids: Sequence[int], user: str | None, sampling: Sampling) -> AsyncIterator[Piece]:
        """An answer for somebody, in pieces. Raises as `Answers.write`."""
        return self.answers.write(ids, user, sampling)

    def _answers(self, people: Personalizer) -> Answers:
        wanted = self.settings
        if wanted.upstreams:
            most = wanted.rows + wanted.queue
            return Gateway(self.model, people.store, wanted.upstreams, wanted.upstream_key, most)
        engine = Engine(self.model, rows=wanted.rows, queue=wanted.queue)
        return Embedded(engine, Residency(people.store, self.model.digest, wanted.resident_bytes))
