"""What of a person's history somebody asks for: a version to go back to, or what is to be erased."""

from collections.abc import Mapping

from monogram.clusters.group import meaning, meant, reads_same
from monogram.clusters.table import table
from monogram.errors import InputError, unknown
from monogram.preferences import Preference
from monogram.store.facts import Version, ever, set_at, set_digest
from monogram.store.ledger import Ledger


def known_versions(ledger: Ledger, user: str) -> dict[int, Version]:
    """A person's versions by number.

    Raises:
        UnknownNameError: nobody of that id.
    """
    found = {version.number: version for version in ledger.versions(user)}
    if not found:
        raise unknown("user", user, ledger.users())
    return found


def to_restore(ledger: Ledger, user: str, number: int | None = None) -> Version:
    """The version that is meant by a number; without one, the one before, with another set than now.

    Raises:
        UnknownNameError: no such person or version.
        InputError: the version is gone, because something that it held was erased; or there is none before.
    """
    versions = known_versions(ledger, user)
    if number is not None:
        return versions[_there(user, versions, number)]
    events = ledger.history(user)
    head, now = max(versions), set_digest(set_at(events))
    for earlier in range(head - 1, 0, -1):
        if set_digest(set_at(events, _there(user, versions, earlier))) != now:
            return versions[earlier]
    raise InputError(f"There is nothing to go back to: {user!r} has had no other preferences before.")


def to_erase(
    ledger: Ledger, user: str, what: str | Preference
) -> tuple[tuple[Preference, ...], tuple[Preference, ...]]:
    """The preferences that are meant, present and past ones, and the present ones that would be left.

    Args:
        what: an attribute or a target; or one preference, that which says it of another attribute stays.

    Raises:
        UnknownNameError: there never was such a preference.
    """
    events = ledger.history(user)
    known = ever(events)
    if isinstance(what, Preference):
        own = meaning(table(), what.attribute)
        about = (p for p in known if meaning(table(), p.attribute) == own)
        gone = tuple(p for p in about if reads_same(p.target, what.target))
        if not gone:
            raise unknown(f"preference of {user!r}", f"{what.attribute}: {what.target}", ())
    else:
        gone = meant(table(), user, known, what)
    return gone, tuple(p for p in set_at(events) if p not in gone)


def _there(user: str, versions: Mapping[int, Version], number: int) -> int:
    if number in versions:
        return number
    if 0 < number < max(versions):
        left = ", ".join(map(str, versions))
        raise InputError(
            f"Version {number} of {user!r} is gone: something that it held was erased. There are: {left}."
        )
    raise unknown(f"version of {user!r}", str(number), map(str, versions))
