"""How a person stands against the file: what would change, and whether a version has all of it already.

No model is needed to see it, only its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from monogram import __version__
from monogram.bulk.roster import Wanted
from monogram.clusters.group import changes
from monogram.clusters.table import table
from monogram.editors.chosen import editor_of
from monogram.errors import AdapterError, SealedError
from monogram.keeping import EDITOR
from monogram.personalizer import tries
from monogram.preferences import Preference
from monogram.store.ledger import Kind, Version, set_digest
from monogram.store.store import Store


@dataclass(frozen=True)
class Standing:
    """Where a person is, and where the file wants them.

    Attributes:
        head: their newest version; 0 before the first.
        steps: what would be replaced and added, in order.
        left: what would be true of them.
        version: a whole version of just that, for the model, by the editor at today's settings; None where
            something has to be compiled.
        tried: digest of all that decides whether compiling would be refused.
    """

    head: int
    steps: Sequence[tuple[Kind, Preference]]
    left: tuple[Preference, ...]
    version: Version | None
    tried: str

    @property
    def done(self) -> bool:
        """Whether all is so already."""
        return not self.left or self.version is not None


class Standings:
    """How people stand in a store, for one model and an editor.

    Args:
        base: digest of the model.
        editor: how preferences become weights; None for each person's last one.
    """

    def __init__(self, store: Store, base: str, editor: str | None = None) -> None:
        self.store = store
        self.base = base
        self.editor = editor
        self._settings: dict[str, tuple[str, ...]] = {}

    def of(self, wanted: Wanted, known: Collection[str] | None = None) -> Standing:
        """How a person stands.

        Args:
            known: everybody with a history, where that was asked before.

        Raises:
            UnknownNameError: an editor that is not installed made their last version.
            LedgerError: the ledger cannot be read.
            SealedError: the store has no key, or another one.
        """
        user, ledger = wanted.user, self.store.ledger
        last = None if known is not None and user not in known else ledger.version(user)
        held = ledger.present(user) if last else ()
        steps, left = changes(table(), held, wanted.preferences)
        version = ledger.version(user, self.base) if last and not steps else None
        if version is not None and not self._has_all(user, version, left):
            version = None
        by = self.editor or (last.editor if last else EDITOR)
        about = [__version__, self.base, by, self._settings_of(by), set_digest(left)]
        tried = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        return Standing(last.number if last else 0, steps, left, version, tried)

    def _has_all(self, user: str, version: Version, left: Sequence[Preference]) -> bool:
        if version.preferences_digest != set_digest(left) or self.editor not in (None, version.editor):
            return False
        if version.settings not in self._settings_of(version.editor):
            return False
        try:
            return self.store.delta(user, version) is not None
        except SealedError:
            raise
        except AdapterError:  # damaged: it is compiled again
            return False

    def _settings_of(self, editor: str) -> tuple[str, ...]:
        """The settings, as text, that an editor has for the model now, and its gentler ones."""
        if editor not in self._settings:
            made = tries(editor_of(self.base, editor))
            self._settings[editor] = tuple(repr(trial.config) for trial in made)
        return self._settings[editor]
