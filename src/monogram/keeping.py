"""How a person's changes land: the whole set that is left is compiled on the base model, then kept.

So a person's delta never depends on how the set came about, and a change that is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from monogram.carry import Last
from monogram.delta import Delta
from monogram.errors import EditRefusedError, StoreError
from monogram.models.editable import EditableModel
from monogram.models.whole import base_name
from monogram.personalizer import Monogram, compile_monogram
from monogram.preferences import Preference
from monogram.store.ledger import Kind, Version, set_digest
from monogram.store.store import Nothing, Store

Progress = Callable[[str, int, int], None]
EDITOR = "neuron"
"""The editor for people who have none yet."""


@dataclass(frozen=True)
class Change:
    """What a change did. Without a version, everything was so already."""

    added: tuple[Preference, ...] = ()
    removed: tuple[Preference, ...] = ()
    """Replaced, forgotten, or not there in the version that was returned to."""
    version: Version | None = None
    monogram: Monogram | None = None
    """None when nothing had to be compiled."""
    known: tuple[Preference, ...] = ()
    """Held already, and given again in these or other words."""


@dataclass(frozen=True)
class Keeping:
    """One person's versions, for one model.

    Attributes:
        editor: how preferences become weights; None for the person's last one.
        progress: called during everything that takes long.
    """

    model: EditableModel
    store: Store
    user: str
    editor: str | None = None
    progress: Progress | None = None

    def compiled(self, preferences: Sequence[Preference], editor: str) -> Monogram:
        """A monogram of these preferences, without anything that was kept. Raises as `compile_monogram`."""
        return compile_monogram(self.model, preferences, editor=editor, progress=self.progress)

    def change(
        self,
        steps: Sequence[tuple[Kind, Preference]],
        left: Sequence[Preference],
        head: int,
        *,
        restored: int | None = None,
        erased: Collection[str] = (),
    ) -> Change:
        """Compile what is left by a change, and keep it. Arguments as of `Store.commit`.

        Raises:
            EditRefusedError: the edit would do harm; nothing was changed.
            StoreError: it cannot be kept, or somebody else changed this person since version `head`.
        """
        last = self.store.ledger.version(self.user)
        editor = self.editor or (last.editor if last else EDITOR)
        made = None
        if left:
            try:
                made = compile_monogram(
                    self.model,
                    left,
                    editor=editor,
                    keep=self.store.artefacts.of(self.user),
                    # an old receipt has answers, which may name what is erased: then nothing is carried over
                    last=Last(last, self.store.ledger.present(self.user)) if last and not erased else None,
                    progress=self.progress,
                )
            except EditRefusedError:
                with suppress(StoreError):
                    self.store.sweep([self.user])  # what was found for it tells of what is not kept
                raise
        version = self.store.commit(
            self.user,
            steps,
            made if made is not None else Nothing(self.model.digest, editor),
            after=head,
            base_name=base_name(self.model),
            fan_in_fan_out=self.model.layout.conv1d,
            restored=restored,
            erased=erased,
        )
        return changed(steps, version, made)

    def delta(self) -> Delta:
        """What stands for them on this model. Compiled now where no version fits the model yet.

        Raises:
            AdapterError: the adapter on disk is damaged.
            EditRefusedError, StoreError: as `change`.
        """
        ledger = self.store.ledger
        head, held = ledger.head(self.user), ledger.present(self.user)
        if not held:
            return Delta.zero()
        version = ledger.version(self.user, self.model.digest)
        if version is not None and self.fits(version, held):
            kept = self.store.delta(self.user, version)
            if kept is not None:
                return kept
        made = self.change([], held, head).monogram
        return made.delta if made is not None else Delta.zero()

    def fits(self, version: Version, preferences: Sequence[Preference]) -> bool:
        """Whether a version is of these preferences, for this model, by an editor that is wanted."""
        return (
            version.preferences_digest == set_digest(preferences)
            and version.base_digest == self.model.digest
            and self.editor in (None, version.editor)
        )


def changed(
    steps: Sequence[tuple[Kind, Preference]], version: Version, made: Monogram | None = None
) -> Change:
    """What steps did that landed."""
    added = tuple(p for kind, p in steps if kind == "added")
    return Change(added, tuple(p for kind, p in steps if kind != "added"), version, made)
