"""Changes of people while they are served: each is a job, done one after the other beside the answers.

A job's story (queued, working with its progress, done with its receipt, refused with its figures, failed with
its reason) can be followed from any thread. Edits run on a twin of the model, so nothing that an edit
attaches is ever on an answer.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from monogram.errors import BusyError, ChangedMeanwhileError, EditRefusedError, MonogramError
from monogram.keeping import Change
from monogram.people import Personalizer
from monogram.person import Person
from monogram.serving.problem import log

Stage = Literal["queued", "working", "done", "refused", "failed"]
ENDED = ("done", "refused", "failed")
TRIES = 5
"""How often a change is begun anew where another process changed the same person meanwhile."""
KEPT = 1000
"""Ended jobs that can still be asked about."""
Do = Callable[[Person], Change | None]


@dataclass(frozen=True)
class State:
    """How far a job is.

    Attributes:
        what, done, total: what is worked on, while it works.
        change: what it did, when it is done; None where nothing is to be told.
        why: why it was refused, or failed.
        figures: the receipt of what was refused.
    """

    stage: Stage
    what: str = ""
    done: int = 0
    total: int = 0
    change: Change | None = None
    why: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


class Job:
    """One change of one person. `state` is its state now; `after` waits for the next."""

    def __init__(self, user: str) -> None:
        self.id = uuid.uuid4().hex
        self.user = user
        self._changed = threading.Condition()
        self._states = [State("queued")]

    @property
    def state(self) -> State:
        """How far it is now."""
        with self._changed:
            return self._states[-1]

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state.stage in ENDED

    def after(self, seen: int, timeout: float | None = None) -> list[State]:
        """The states from number `seen` on, at least one unless the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._states) > seen, timeout)
            return self._states[seen:]

    def wait(self, timeout: float | None = None) -> State:
        """Wait for its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._states[-1].stage in ENDED, timeout)
            return self._states[-1]

    def tell(self, state: State) -> None:
        """Its next state."""
        with self._changed:
            self._states.append(state)
            self._changed.notify_all()


class Edits:
    """Does the jobs.

    Args:
        people: on a twin of the model that answers.
        queue: jobs that may wait; one more is refused.
        changed: called with somebody's id when a change of theirs has landed, before it counts as done.
    """

    def __init__(
        self, people: Personalizer, queue: int = 100, changed: Callable[[str], object] = lambda _: None
    ) -> None:
        self.people = people
        self._queue = queue
        self._changed = changed
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "monogram-edits")

    def begin(self, user: str, do: Do) -> Job:
        """Begin a change of somebody; at once where nothing else is done.

        Raises:
            BusyError: as many wait as may, or the server is closing.
        """
        job = Job(user)
        with self._lock:
            waiting = sum(not one.ended for one in self._jobs.values())
            if waiting >= self._queue:
                raise BusyError(f"{waiting} changes wait already, which is the most. Try again in a minute.")
            self._jobs[job.id] = job
            ended = [name for name, one in self._jobs.items() if one.ended]
            for name in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[name]
        try:
            self._worker.submit(self._do, job, do)
        except RuntimeError:
            job.tell(State("failed", why="The server is shutting down."))
            raise BusyError("The server is shutting down. Ask again in a moment.") from None
        return job

    def find(self, name: str) -> Job | None:
        """A job by its id, also one that ended not long ago."""
        with self._lock:
            return self._jobs.get(name)

    @property
    def waiting(self) -> int:
        """How many have not ended."""
        with self._lock:
            return sum(not job.ended for job in self._jobs.values())

    def close(self) -> None:
        """Finish what was begun or waits, take no more."""
        self._worker.shutdown(wait=True)

    def _do(self, job: Job, do: Do) -> None:
        def tell(what: str, done: int, total: int) -> None:
            job.tell(State("working", what, done, total))

        job.tell(State("working"))
        mine = Personalizer(
            self.people.model,
            self.people.store,
            editor=self.people.editor,
            progress=tell,
            home=self.people.home,
        )
        try:
            change = _at_last(do, mine.user(job.user))
            self._changed(job.user)
            job.tell(State("done", change=change))
        except EditRefusedError as error:
            receipt = getattr(error, "receipt", None)
            figures = dict(receipt.as_dict()) if receipt is not None else {}
            job.tell(State("refused", why=str(error), figures=figures))
        except MonogramError as error:
            job.tell(State("failed", why=str(error)))
        except Exception as error:  # noqa: BLE001  (a job that never ends would be waited for forever)
            log.exception("a change failed")
            job.tell(State("failed", why=f"Something went wrong inside: {type(error).__name__}."))


def _at_last(do: Do, person: Person) -> Change | None:
    """The change, begun anew where somebody else was faster."""
    for _ in range(TRIES - 1):
        try:
            return do(person)
        except ChangedMeanwhileError:
            continue
    return do(person)
