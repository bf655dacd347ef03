"""The store: the ledger and the adapter folders, changed together by one verb.

    <home>/ledger.sqlite3       what is true of whom, and every version
    <home>/adapters/            the versions' adapters
    <home>/artefacts/           what was costly to find for a person's clusters: a cache, no part of the verb

The folder is written first and the ledger last: a process that is killed between leaves the old version
standing, and a folder that nobody speaks of, which the next change sweeps away.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from monogram.delta import Delta
from monogram.errors import AdapterFileError
from monogram.files import home as home_folder
from monogram.preferences import Preference
from monogram.store.artefacts import Artefacts
from monogram.store.folder import AdapterFolders
from monogram.store.ledger import Draft, Kind, Ledger, Version
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
    """What is kept under ``home``, by default ``$MONOGRAM_HOME``. The first change makes the files."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home_folder(home)
        self.ledger = Ledger(self.home / "ledger.sqlite3")
        self.adapters = AdapterFolders(self.home / "adapters")
        self.artefacts = Artefacts(self.home / "artefacts")

    def commit(
        self,
        user: str,
        changes: Sequence[tuple[Kind, Preference]],
        monogram: Keepable,
        *,
        after: int,
        base_name: str,
        fan_in_fan_out: bool = False,
    ) -> Version:
        """Keep a monogram and write down what changed: both, or neither.

        Args:
            user: whose.
            changes: preferences that were added, replaced or forgotten, in order.
            monogram: compiled from the preferences that are left after the changes.
            after: the person's newest version when the change was begun.
            base_name: name or path of the base model, for PEFT.
            fan_in_fan_out: the edited matrices are ``Conv1D`` (GPT-2).

        Raises:
            LedgerError: somebody else changed this person since, or the ledger cannot be read or written.
            DiskFullError: no room. In each case everything is as it was.
        """
        base, delta = monogram.base_digest, monogram.delta
        receipt = None if monogram.receipt is None else dict(monogram.receipt.as_dict())
        try:
            with self.adapters.locked(user):
                known = self.ledger.folders(user)  # a ledger that cannot be read stops everything here
                name, written = "", False
                try:
                    if delta.rank:
                        name, written = self.adapters.save(
                            user,
                            delta,
                            base_name=base_name,
                            base_digest=base,
                            fan_in_fan_out=fan_in_fan_out,
                        )
                    draft = Draft(
                        base_name, base, monogram.editor, monogram.settings, delta.digest, name, receipt
                    )
                    version = self.ledger.commit(user, changes, draft, after=after)
                except BaseException:
                    if written and name not in known:
                        self.adapters.remove(user, name)
                    raise
                self.adapters.sweep(user, {*known, name})
                return version
        except OSError as error:
            raise of_disk(self.home, error) from error

    def delta(self, user: str, version: Version) -> Delta | None:
        """The delta of one of a person's versions; None when its folder is gone.

        Raises:
            AdapterFileError: its files were cut off or changed.
            BaseMismatchError: it is of another base model than the version says.
        """
        if not version.folder:
            return Delta.zero()
        try:
            return self.adapters.load(
                user, version.folder, delta_digest=version.delta_digest, base_digest=version.base_digest
            )
        except AdapterFileError as error:
            folder = self.adapters.shelf(user) / version.folder
            found = re.sub(r" Export \w+( \w+)? again\.$", "", str(error))  # advice for exported folders
            raise AdapterFileError(
                f"The adapter of version {version.number} of {user!r} is damaged: {found} "
                f"Delete {folder}, and it is compiled again from the ledger."
            ) from error
