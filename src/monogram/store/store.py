"""The store: the ledger and the adapter folders, changed together by one verb.

    <home>/ledger.sqlite3       what is true of whom, and every version; or where $MONOGRAM_LEDGER says
    <home>/adapters/            the versions' adapters; or where $MONOGRAM_ADAPTERS says
    <home>/artefacts/           what was costly to find for a person's clusters: a cache, no part of the verb

A folder is written first and the ledger last: a process that is killed between leaves the old version
standing, and a folder that nobody speaks of, which the next change sweeps away. An erasure goes the other
way: the ledger first, with a note that folders and old pages are still to be cleared; `finish` clears them,
now or after a kill.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from monogram.clusters.expand import expand_all
from monogram.delta import Delta
from monogram.errors import AdapterFileError, MonogramError, SealedError
from monogram.files import adapters_place, ledger_place, people_home
from monogram.preferences import Preference
from monogram.seal import Seal
from monogram.store.artefacts import Artefacts
from monogram.store.folder import AdapterFolders, sweep_strangers
from monogram.store.ledger import Draft, Kind, Ledger, Version
from monogram.store.remote import RemoteFolders
from monogram.store.trouble import of_disk


class HasFigures(Protocol):
    """A receipt, as far as the store knows."""

    def as_dict(self) -> Mapping[str, Any]:
        """The figures, as JSON takes them."""


class Keepable(Protocol):
    """A monogram, as far as the store knows."""

    @property
    def delta(self) -> Delta:
        """What it changes."""

    @property
    def editor(self) -> str:
        """Name of the editor that made it."""

    @property
    def settings(self) -> str:
        """That editor's settings, as text."""

    @property
    def base_digest(self) -> str:
        """Digest of the base model."""

    @property
    def receipt(self) -> HasFigures | None:
        """What was measured."""


@dataclass(frozen=True)
class Nothing:
    """What is kept for somebody who has no preferences left: no change at all."""

    base_digest: str
    editor: str
    settings: str = ""
    receipt: None = None

    @property
    def delta(self) -> Delta:
        """Zero."""
        return Delta.zero()


class Store:
    """What is kept under ``home``, by default where `people_home` says. The first change makes the files.

    Raises:
        InputError: no file system takes the URL that ``$MONOGRAM_ADAPTERS`` says.
        StoreError: the key that ``$MONOGRAM_KEY_FILE`` names cannot be used (`seal`).
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = people_home(home)
        self.ledger = Ledger(ledger_place(self.home))
        self.seal = Seal.found()
        self.adapters = adapter_folders(self.home, self.seal)
        self.artefacts = Artefacts(self.home / "artefacts", self.seal)

    def commit(
        self,
        user: str,
        changes: Sequence[tuple[Kind, Preference]],
        monogram: Keepable,
        *,
        after: int,
        base_name: str,
        fan_in_fan_out: bool = False,
        restored: int | None = None,
        erased: Collection[str] = (),
    ) -> Version:
        """Keep a monogram and write down what changed: both, or neither.

        Args:
            user: whose.
            changes: preferences that were added, replaced or forgotten, in order.
            monogram: compiled from the preferences that are left after the changes.
            after: the person's newest version when the change was begun.
            base_name: name or path of the base model, for PEFT.
            fan_in_fan_out: the edited matrices are ``Conv1D`` (GPT-2).
            restored: the version that this one returns to.
            erased: digests of preferences that go for good, with every version that held one.

        Raises:
            LedgerError: somebody else changed this person since, or the ledger cannot be read or written.
            DiskFullError: no room. In each case everything is as it was.
        """
        base, delta = monogram.base_digest, monogram.delta
        receipt = None if monogram.receipt is None else dict(monogram.receipt.as_dict())
        with self._changing(user):
            name = ""
            if delta.rank:
                name = self.adapters.save(
                    user, delta, base_name=base_name, base_digest=base, fan_in_fan_out=fan_in_fan_out
                )
            draft = Draft(base_name, base, monogram.editor, monogram.settings, delta.digest, name, receipt)
            version = self.ledger.commit(user, changes, draft, after=after, restored=restored, erased=erased)
        if erased:
            self.finish()
        return version

    def again(
        self,
        user: str,
        version: Version,
        changes: Sequence[tuple[Kind, Preference]] = (),
        *,
        after: int,
        restored: int | None = None,
        erased: Collection[str] = (),
    ) -> Version:
        """Let a new version be what an old one was: the same adapter, the same receipt. As `commit`."""
        draft = Draft(**{field.name: getattr(version, field.name) for field in fields(Draft)})
        with self._changing(user):
            new = self.ledger.commit(user, changes, draft, after=after, restored=restored, erased=erased)
        if erased:
            self.finish()
        return new

    def erase_person(self, user: str, *, after: int) -> None:
        """Erase somebody altogether: preferences, versions, adapters, the id. As `commit`."""
        with self._changing(user):
            self.ledger.erase_person(user, after=after)
        self.finish()

    def finish(self) -> None:
        """Clear what erasures left on the disk, of this process or of one that was killed.

        Raises:
            LedgerError: another process kept reading the ledger, so that its file was not written anew.
            StoreError: something could not be removed. In each case the next one finishes it.
        """
        pending = self.ledger.unfinished()
        if pending:
            self.sweep({user for user in pending.values() if user is not None})
            self.ledger.rewrite(pending)

    def sweep(self, users: Collection[str]) -> tuple[Path | str, ...]:
        """Remove what nobody speaks of: of these people, and of those that the ledger does not know.

        Returns:
            What was removed.
        """
        if not (self.adapters.there() or self.artefacts.root.exists()):
            return ()
        with self.locked():
            gone = [path for user in users for path in self._tidied(user)]
            known = self.ledger.users()
            kept = self.adapters.sweep_strangers(known)
            return (*gone, *kept, *sweep_strangers(self.artefacts.root, known))

    def delta(self, user: str, version: Version) -> Delta | None:
        """The delta of one of a person's versions; None when its folder is gone.

        Raises:
            AdapterFileError: its files were cut off or changed.
            SealedError: the store has no key, or another one.
            BaseMismatchError: it is of another base model than the version says.
        """
        if not version.folder:
            return Delta.zero()
        try:
            return self.adapters.load(
                user, version.folder, delta_digest=version.delta_digest, base_digest=version.base_digest
            )
        except SealedError:
            raise
        except AdapterFileError as error:
            folder = self.adapters.where(user, version.folder)
            found = re.sub(r" Export \w+( \w+)? again\.$", "", str(error))  # advice for exported folders
            raise AdapterFileError(
                f"The adapter of version {version.number} of {user!r} is damaged: {found} "
                f"Delete {folder}, and it is compiled again from the ledger."
            ) from error

    @contextmanager
    def _changing(self, user: str) -> Iterator[None]:
        """Nobody else changes folders; afterwards those go that the ledger does not speak of."""
        with self.locked():
            self.ledger.folders(user)  # a ledger that cannot be read stops everything here
            try:
                yield
            except BaseException:
                with suppress(MonogramError):
                    self._tidied(user)  # what was compiled for nothing may be of something erased meanwhile
                raise
            with suppress(MonogramError):  # what was to land has landed; the next one sweeps
                self.adapters.sweep(user, self.ledger.folders(user))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else saves or sweeps folders, on this machine or on another one of the ledger's.

        Raises:
            StoreError: somebody else did not come to an end.
        """
        try:
            with self.adapters.locked(), self.ledger.alone():
                yield
        except OSError as error:
            raise of_disk(self.home, error) from error

    def _tidied(self, user: str) -> tuple[Path | str, ...]:
        gone = self.adapters.sweep(user, self.ledger.folders(user))
        present = expand_all(self.ledger.present(user))
        self.artefacts.of(user).only(cluster.preference.digest for cluster in present)
        return gone


def adapter_folders(home: Path, seal: Seal | None) -> AdapterFolders | RemoteFolders:
    """Where the adapters of the people in ``home`` are. Raises InputError for a URL that nothing takes."""
    place = adapters_place(home)
    if isinstance(place, Path):
        return AdapterFolders(place, seal)
    return RemoteFolders(place, home, seal)
