"""One person of the file, done: compiled by the ordinary path, which checks the edit and keeps it whole.

Whoever does it (this process, an actor of Ray's) writes straight to the store. So whatever is killed loses
the person in hand at most, and whoever comes after sees in the ledger who is done.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from monogram.bulk.roster import Wanted, Wrong
from monogram.bulk.standing import Standing, Standings
from monogram.errors import ChangedMeanwhileError, EditRefusedError, MonogramError, SealedError, StoreError
from monogram.files import is_disk_full
from monogram.models.build import threads
from monogram.people import Personalizer
from monogram.store.ledger import Version

Status = Literal["compiled", "unchanged", "refused", "failed"]
TRIES = 5
"""How often a change is begun anew where another process changed the same person meanwhile."""


@dataclass(frozen=True)
class Outcome:
    """What became of a person, or of a row that cannot be used.

    Attributes:
        key: of its line in the manifest: `user alice`, or `line 7` for a row that cannot be used.
        user: the person's id; empty where a row does not say it.
        lines: the rows' places in the file.
        status: `compiled` now; `unchanged`, all was so already; `refused`, the edit would do harm; `failed`.
        version: the version that has what the rows say; None where there is none.
        digest: of that version's delta.
        preferences: how many are true of them with it.
        seconds: what it took.
        why: why it was refused, or failed.
        tried: digest of all that decides whether an edit is refused; empty for what was not tried.
        lasting: nobody else can be done either (a full disk, a store out of reach).
    """

    key: str
    user: str
    lines: tuple[int, ...]
    status: Status
    version: int | None = None
    digest: str = ""
    preferences: int = 0
    seconds: float = 0.0
    why: str = ""
    tried: str = ""
    lasting: bool = False

    @classmethod
    def of(cls, wanted: Wanted, status: Status, **more: Any) -> Self:
        """What became of a person."""
        return cls(f"user {wanted.user}", wanted.user, wanted.lines, status, **more)

    @classmethod
    def wrong(cls, row: Wrong) -> Self:
        """A row that cannot be used."""
        return cls(f"line {row.line}", row.user, (row.line,), "failed", why=row.why)

    @classmethod
    def done(cls, wanted: Wanted, status: Status, version: Version | None, preferences: int) -> Self:
        """A person of whom all is true that the rows say, with a version."""
        if version is None:
            return cls.of(wanted, status)
        number, digest = version.number, version.delta_digest
        return cls.of(wanted, status, version=number, digest=digest, preferences=preferences)

    def as_record(self) -> dict[str, Any]:
        """A line of the manifest, without its key."""
        told = {**asdict(self), "lines": list(self.lines), "seconds": round(self.seconds, 3)}
        return {name: value for name, value in told.items() if name not in ("key", "lasting")}

    def to_json(self) -> str:
        """As text, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave."""
        told = json.loads(text)
        return cls(**{**told, "lines": tuple(told["lines"])})


class Worker:
    """Does one person after the other, on a model of its own.

    Args:
        people: on the model and the store.
        base: digest that the model is to have; another one is a lasting failure.
        count: threads of torch's. The last bits of a delta hang on it, so all workers have as many.
    """

    def __init__(self, people: Personalizer, base: str, count: int) -> None:
        self.people = people
        self.base = base
        self.count = count
        self._standings = Standings(people.store, base, people.editor)

    def __call__(self, wanted: Wanted) -> Outcome:
        """Do a person; whatever goes wrong becomes their outcome."""
        begun = time.perf_counter()
        with threads(self.count):
            outcome = self._explained(wanted)
        return replace(outcome, seconds=time.perf_counter() - begun)

    def _explained(self, wanted: Wanted) -> Outcome:
        try:
            return self._done(wanted)
        except ChangedMeanwhileError as error:
            return Outcome.of(wanted, "failed", why=str(error))
        except (StoreError, SealedError) as error:
            return Outcome.of(wanted, "failed", why=str(error), lasting=True)
        except MonogramError as error:
            return Outcome.of(wanted, "failed", why=str(error))
        except Exception as error:  # noqa: BLE001  (one person must not stop the others)
            why = f"Something went wrong inside: {type(error).__name__}: {str(error)[:200]}"
            return Outcome.of(wanted, "failed", why=why, lasting=is_disk_full(error))

    def _done(self, wanted: Wanted) -> Outcome:
        if self.people.model.digest != self.base:
            why = f"The model {self.people.model.name} is not the one this began with (another digest)."
            return Outcome.of(wanted, "failed", why=why, lasting=True)
        for turn in range(TRIES):
            now = self._standings.of(wanted)
            if now.done:
                return Outcome.done(wanted, "unchanged", now.version, len(now.left))
            try:
                return Outcome.done(wanted, "compiled", self._changed(wanted, now), len(now.left))
            except EditRefusedError as error:
                return Outcome.of(wanted, "refused", why=str(error), tried=now.tried)
            except ChangedMeanwhileError:
                if turn == TRIES - 1:
                    raise
        raise RuntimeError("the last try returns or raises")

    def _changed(self, wanted: Wanted, now: Standing) -> Version | None:
        keeping = self.people.user(wanted.user).keeping
        return keeping.change(now.steps, now.left, now.head).version
