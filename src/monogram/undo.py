"""Going back to an old version, and taking something out for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monogram.errors import AdapterError
from monogram.keeping import Change, Keeping, changed
from monogram.preferences import Preference
from monogram.store.asked import known_versions, to_erase, to_restore
from monogram.store.ledger import Kind, Version, ever, set_at
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
    head, old = max(known_versions(store.ledger, user)), to_restore(store.ledger, user, number)
    events = store.ledger.history(user)
    held, wanted = set_at(events), set_at(events, old.number)
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


def erase(store: Store, user: str, what: str | Preference, keeping: Callable[[], Keeping]) -> Erased:
    """Take preferences out for good: text, digests, artefacts, every version that held one.

    First a version without them lands, in the same transaction their rows go; then folders, caches and the
    file's old pages are cleared. A process that is killed meanwhile is finished by the next one.

    Args:
        what: an attribute (all its values, past ones too), or a target; or one preference.
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


def _without(some: Sequence[Preference], others: Sequence[Preference]) -> list[Preference]:
    digests = {p.digest for p in others}
    return [p for p in some if p.digest not in digests]
