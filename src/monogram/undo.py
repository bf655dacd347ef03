"""Going back to an old version, and taking something out for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from monogram.clusters.group import meant
from monogram.clusters.table import table
from monogram.errors import AdapterError, InputError, unknown
from monogram.keeping import Change, Keeping, changed
from monogram.preferences import Preference
from monogram.store.ledger import Event, Kind, Ledger, Version, ever, set_at, set_digest
from monogram.store.store import Nothing, Store


@dataclass(frozen=True)
class Erased:
    """What is gone for good. It has the text, for whoever asked to say so; the ledger has none."""

    preferences: tuple[Preference, ...]
    versions: tuple[int, ...]
    """Numbers of the versions that held one of them."""
    version: Version | None
    """The one without them, which is present now; None where the person is gone."""


def rollback(keeping: Keeping, number: int | None = None) -> Change:
    """Make a new version with the set of preferences of an old one. History is not rewritten.

    The old adapter is taken where it is whole and fits the model; it is compiled anew otherwise.

    Args:
        number: the old version; by default the one before, with another set than the present one.

    Returns:
        What it did; nothing, where the old version has just what is true now.

    Raises:
        UnknownNameError: no such person or version.
        InputError: the version is gone, because something that it held was erased; or there is none before.
        EditRefusedError, StoreError: as `Keeping.change`.
    """
    store, user = keeping.store, keeping.user
    versions = known_versions(store.ledger, user)
    events, head = store.ledger.history(user), max(versions)
    held = set_at(events)
    old = versions[_number(user, versions, events) if number is None else _there(user, versions, number)]
    wanted = set_at(events, old.number)
    steps: list[tuple[Kind, Preference]] = [("forgotten", p) for p in _without(held, wanted)]
    steps += [("added", p) for p in _without(wanted, held)]
    if not steps:
        return Change()
    if keeping.fits(old, wanted):
        try:
            whole = store.delta(user, old) is not None
        except AdapterError:
            whole = False
        if whole:
            return changed(steps, store.again(user, old, steps, after=head, restored=old.number))
    return keeping.change(steps, wanted, head, restored=old.number)


def erase(store: Store, user: str, what: str, keeping: Callable[[], Keeping]) -> Erased:
    """Take preferences out for good: text, digests, artefacts, every version that held one.

    First a version without them lands, in the same transaction their rows go; then folders, caches and the
    file's old pages are cleared. A process that is killed meanwhile is finished by the next one.

    Args:
        what: an attribute (all its values, past ones too), or a target.
        keeping: called where something has to be compiled: where one is present, and others stay.

    Raises:
        UnknownNameError: no such person or preference.
        EditRefusedError: what is left cannot be compiled; nothing was changed.
        StoreError: as `Store.commit`.
    """
    before = known_versions(store.ledger, user)
    head, (gone, left) = max(before), to_erase(store.ledger, user, what)
    digests = frozenset(p.digest for p in gone)
    last = before[head]
    version: Version | None
    if left == store.ledger.present(user):
        version = store.again(user, last, after=head, erased=digests)
    elif left:
        version = keeping().change((), left, head, erased=digests).version
    else:
        nothing = Nothing(last.base_digest, last.editor)
        version = store.commit(user, (), nothing, after=head, base_name=last.base_name, erased=digests)
    after = {v.number for v in store.ledger.versions(user)}
    return Erased(gone, tuple(n for n in before if n not in after), version)


def erase_person(store: Store, user: str) -> Erased:
    """Take somebody out for good: everything about them, their id too.

    Raises:
        UnknownNameError: nobody of that id.
        StoreError: as `Store.commit`.
    """
    before = known_versions(store.ledger, user)
    gone = ever(store.ledger.history(user))
    store.erase_person(user, after=max(before))
    return Erased(gone, tuple(before), None)


def to_erase(ledger: Ledger, user: str, what: str) -> tuple[tuple[Preference, ...], tuple[Preference, ...]]:
    """The preferences that are meant, present and past ones, and the present ones that would be left.

    Raises:
        UnknownNameError: there never was such a preference.
    """
    events = ledger.history(user)
    gone = meant(table(), user, ever(events), what)
    return gone, tuple(_without(set_at(events), gone))


def known_versions(ledger: Ledger, user: str) -> dict[int, Version]:
    """A person's versions by number.

    Raises:
        UnknownNameError: nobody of that id.
    """
    found = {version.number: version for version in ledger.versions(user)}
    if not found:
        raise unknown("user", user, ledger.users())
    return found


def _number(user: str, versions: Mapping[int, Version], events: Sequence[Event]) -> int:
    """The version before the present one: the newest with another set."""
    head, now = max(versions), set_digest(set_at(events))
    for number in range(head - 1, 0, -1):
        if set_digest(set_at(events, _there(user, versions, number))) != now:
            return number
    raise InputError(f"There is nothing to go back to: {user!r} has had no other preferences before.")


def _there(user: str, versions: Mapping[int, Version], number: int) -> int:
    if number in versions:
        return number
    if 0 < number < max(versions):
        left = ", ".join(map(str, versions))
        raise InputError(
            f"Version {number} of {user!r} is gone: something that it held was erased. There are: {left}."
        )
    raise unknown(f"version of {user!r}", str(number), map(str, versions))


def _without(some: Sequence[Preference], others: Sequence[Preference]) -> list[Preference]:
    digests = {p.digest for p in others}
    return [p for p in some if p.digest not in digests]
