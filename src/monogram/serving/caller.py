"""Who asks: a tenant, at a service. Whatever a route does for a person goes through here, so that nobody's
people are reached by anybody else.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from monogram.errors import UnknownNameError
from monogram.people import Person
from monogram.preferences import Preference
from monogram.serving.edits import Do, Job
from monogram.serving.keys import bare, scoped
from monogram.serving.service import Service


@dataclass(frozen=True)
class Asking:
    """A tenant at a service.

    Attributes:
        noted: what the audit's line tells of the request.
    """

    service: Service
    tenant: str
    noted: MutableMapping[str, Any]

    def name(self, user: str) -> str:
        """What the store calls one of the tenant's people. Raises InputError."""
        found = self.noted["user"] = scoped(self.tenant, user)
        return found

    def bare(self, name: str) -> str:
        """What the tenant calls them."""
        return bare(self.tenant, name)

    def known(self, user: str) -> Person:
        """One of the tenant's people.

        Raises:
            UnknownNameError: nothing was ever known of them; others' ids are not told.
        """
        person = self.service.people.user(self.name(user))
        if not person.owner.store.ledger.head(person.name):
            raise UnknownNameError(f"Nothing is known of {user!r}. Add something first.")
        return person

    def begin(self, name: str, do: Do) -> Job:
        """Begin a change of somebody, by the store's name of them. Raises BusyError."""
        return self.service.edits.begin(name, do)

    def job(self, name: str) -> Job:
        """One of the tenant's jobs.

        Raises:
            UnknownNameError: there is none.
        """
        found = self.service.edits.find(name)
        if found is None or (self.tenant and not found.user.startswith(f"{self.tenant}/")):
            raise UnknownNameError(f"There is no job {name!r}, or it ended long ago.")
        self.noted["user"] = found.user
        return found


def asking(request: Request) -> Asking:
    """Who asks, as the guard found."""
    return Asking(request.app.state.service, request.state.tenant, request.state.audit)


Asks = Annotated[Asking, Depends(asking)]


def held(person: Person, memory_id: str, shown: str) -> Preference:
    """One of somebody's preferences, by its digest.

    Raises:
        UnknownNameError: it is not there now.
    """
    found: Sequence[Preference] = [p for p in person.list() if p.digest == memory_id]
    if not found:
        raise UnknownNameError(f"{shown!r} has no memory {memory_id!r} now. List them to see what there is.")
    return found[0]
