"""Checking what is kept: is it whole, is it what the ledger says, is nothing left of what was erased.

A version is rebuilt from the ledger alone, without artefacts, on the base model and with the threads that
compiled it; its delta must be the kept one to the bit (on the same machine and build), and its receipt must
say the same again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monogram.delta import Delta
from monogram.errors import AdapterError, EditRefusedError, LedgerError
from monogram.keeping import Keeping
from monogram.models.build import build, threads
from monogram.store.ledger import Event, Version, set_at, set_digest
from monogram.store.store import Store

FIGURES = ("leak", "crosstalk", "drift_kl", "top1", "rank", "nbytes", "loss")
"""What a receipt must say again; seconds are another time's."""
CARRIED = ("recall", "advice", "violation")
"""What it must say again, too, unless a part was carried over from an older version (`carry`)."""


@dataclass(frozen=True)
class Checked:
    """What was found for one person."""

    user: str
    versions: int
    """How many were checked."""
    rebuilt: tuple[int, ...] = ()
    """The numbers of those that were rebuilt from the ledger and compared."""
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, and why."""


@dataclass(frozen=True)
class Report:
    """What was found for some people, and in the store as a whole."""

    people: tuple[Checked, ...]
    faults: tuple[str, ...] = ()
    """Of the store as a whole."""
    swept: int = 0
    """Leftovers of killed processes that were cleared first."""

    @property
    def all_faults(self) -> tuple[str, ...]:
        """One line a fault; none for a good store."""
        return (*self.faults, *(f"{p.user}: {fault}" for p in self.people for fault in p.faults))


def verify(people: Sequence[Keeping], store: Store, *, all_versions: bool = False) -> Report:
    """Check the store, and these people in it.

    Args:
        all_versions: rebuild every version that is for this model, not only the present one.

    Raises:
        LedgerError: the ledger cannot be read at all.
    """
    store.finish()
    swept = sum(_swept(store, keeping.user) for keeping in people)
    checked = tuple(_person(keeping, all_versions) for keeping in people)
    faults = [f"the ledger: {fault}" for fault in store.ledger.faults()]
    if store.ledger.unfinished():
        faults.append("an erasure is not finished")
    return Report(checked, tuple(faults), swept)


def _swept(store: Store, user: str) -> int:
    """How many leftovers of killed processes were cleared."""
    try:
        return len(store.sweep([user]))
    except LedgerError:  # a line was changed; it is named as a fault
        return 0


def to_rebuild(
    versions: Sequence[Version], base_digest: str | None, *, all_versions: bool = False
) -> tuple[Version, ...]:
    """The versions that can be rebuilt on a base model (None: on any): the present one, or all of them."""
    chosen = versions if all_versions else versions[-1:]
    return tuple(v for v in chosen if base_digest in (None, v.base_digest))


def _person(keeping: Keeping, all_versions: bool) -> Checked:
    ledger, user = keeping.store.ledger, keeping.user
    versions = ledger.versions(user)
    try:
        events = ledger.history(user)
    except LedgerError as error:
        return Checked(user, len(versions), faults=(str(error),))
    faults = list(_gaps(versions, events))
    for version in versions:
        faults += (f"version {version.number}: {fault}" for fault in _version(keeping, version, events))
    rebuilt, notes = to_rebuild(versions, keeping.model.digest, all_versions=all_versions), []
    if len(rebuilt) < len(to_rebuild(versions, None, all_versions=all_versions)):
        notes.append(f"versions for another model than {keeping.model.name!r} were not rebuilt")
    same_again: list[int] = []
    made: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for done, version in enumerate(rebuilt):
        if keeping.progress is not None:
            keeping.progress("rebuilding versions", done, len(rebuilt))
        same = (version.preferences_digest, version.editor + version.delta_digest)
        if same not in made:
            made[same] = _rebuilt(keeping, version, events)
        wrong, remarks = made[same]
        faults += (f"version {version.number}: {fault}" for fault in wrong)
        notes += (f"version {version.number}: {remark}" for remark in remarks)
        same_again += [] if remarks else [version.number]
    return Checked(user, len(versions), tuple(same_again), tuple(faults), tuple(notes))


def _gaps(versions: Sequence[Version], events: Sequence[Event]) -> Iterator[str]:
    """Versions that are missing although nothing was erased since."""
    erased = max((event.version for event in events if event.kind == "erased"), default=0)
    there = {version.number for version in versions}
    for number in range(1, max(there, default=0)):
        if number not in there and number > erased:
            yield f"version {number} is missing from the ledger"


def _version(keeping: Keeping, version: Version, events: Sequence[Event]) -> Iterator[str]:
    """What is wrong with a version as it is kept: its set, its folder, its digests."""
    if set_digest(set_at(events, version.number)) != version.preferences_digest:
        yield "the ledger's events do not add up to its set of preferences"
    try:
        delta = keeping.store.delta(keeping.user, version)
    except AdapterError as error:
        yield str(error)
        return
    if delta is None:
        yield f"its adapter folder {version.folder} is gone; it is compiled again when it is needed"
    elif version.delta_digest not in ("", delta.digest):
        yield "it says that it changes the model, but it has no adapter"


def _rebuilt(keeping: Keeping, version: Version, events: Sequence[Event]) -> tuple[list[str], list[str]]:
    """Compile a version again: (faults, notes)."""
    preferences = set_at(events, version.number)
    if not preferences:
        empty = version.delta_digest in ("", Delta.zero().digest)
        return ([] if empty else ["it has no preferences, but an adapter"]), []
    then, now = (version.receipt or {}).get("build"), build(keeping.model)
    count = int((then or now)["threads"])
    if then is not None and then != {**now, "threads": count}:
        told = ", ".join(f"{name} {what}" for name, what in then.items() if what != now.get(name))
        return [], [f"it was compiled by another build ({told}), so that it cannot be compared"]
    try:
        with threads(count):
            made = keeping.compiled(preferences, version.editor)
    except EditRefusedError as error:
        return [f"rebuilt, it is refused: {error}"], []
    if made.settings != version.settings:
        return [], ["it was compiled with other settings than today's, so that it cannot be compared"]
    if made.delta.digest != version.delta_digest:
        return ["rebuilt from the ledger, its delta is another one"], []
    if version.receipt is None or made.receipt is None:
        return [], []
    again = made.receipt.as_dict()
    if _shape(version.receipt) != _shape(again):
        return [], ["its receipt was measured by another version of monogram, so that it cannot be compared"]
    differ = ", ".join(_differing(version.receipt, again))
    return [f"its receipt does not say the same again: {differ}"] if differ else [], []


def _differing(kept: Mapping[str, Any], again: Mapping[str, Any]) -> Iterable[str]:
    for name in FIGURES if _is_carried(kept) else (*CARRIED, *FIGURES):
        before, now = kept.get(name), again.get(name)
        if isinstance(before, int | float) and isinstance(now, int | float):
            if not math.isclose(before, now, rel_tol=1e-6, abs_tol=1e-9):
                yield f"{name} {before:.4g}, now {now:.4g}"
        elif before != now:
            yield f"{name} {before}, now {now}"


def _shape(receipt: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Which figures a receipt has, as a whole and for a preference."""
    first: Mapping[str, Any] = next(iter(receipt.get("per_preference") or ()), {})
    return frozenset(receipt), frozenset(first)


def _is_carried(kept: Mapping[str, Any]) -> bool:
    parts = kept.get("per_preference") or ()
    tallies = (tally for part in parts for tally in (part.get("tallies") or {}).values())
    return any(tally.get("version") is not None for tally in tallies)
