"""Somebody on a model: what is true of them, what was, and a model that knows it.

Every change compiles the whole set of preferences that is left by it, on the base model, so a person's delta
never depends on how the set came about. A change that is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from monogram.clusters.extract import Reader, propose
from monogram.clusters.group import Same, changes, from_words, meant, reads_same, twin
from monogram.clusters.said import Said
from monogram.clusters.table import table
from monogram.delta import Delta
from monogram.errors import unknown
from monogram.exports import SERVED, export
from monogram.keeping import Change, Keeping
from monogram.preferences import Preference
from monogram.reading import found
from monogram.reading import reader as reader_named
from monogram.store.story import Entry, story
from monogram.undo import Erased, erase, erase_person, rollback

if TYPE_CHECKING:
    from monogram.people import Personalizer
    from monogram.verify import Report


class Person:
    """Somebody on a model: what is true of them, and a model that knows it."""

    def __init__(self, owner: Personalizer, name: str) -> None:
        self.owner = owner
        self.name = name

    @property
    def keeping(self) -> Keeping:
        """How their changes land."""
        return Keeping(self.owner.model, self.owner.store, self.name, self.owner.editor, self.owner.progress)

    def list(self) -> tuple[Preference, ...]:
        """What is true of them now, oldest first."""
        return self.owner.store.ledger.present(self.name)

    def propose(self, said: Said, *, reader: str | Reader = "rules") -> tuple[Preference, ...]:
        """The preferences in a text or a conversation, for review; `add_all` takes them.

        Args:
            said: sentences, or messages with `role` and `content`, of which only the `user`'s are read.
            reader: `rules`, `embed`, `llm`, or one that `monogram.reading.reader` made.

        Raises:
            InputError: neither text nor messages.
            ReaderError, ModelError: the reader cannot be used, or answered badly.
        """
        return propose(said, self._reader(reader))

    def add(
        self,
        sentence: Said | None = None,
        *,
        attribute: str | None = None,
        target: str | None = None,
        polarity: str | None = None,
        reader: str | Reader = "rules",
    ) -> Change:
        """Add a preference, or all that a plain sentence holds.

        An attribute that has one value at a time (or a synonym of it) gets the new one instead of the old.

        Args:
            sentence: how they said it. Without an attribute and a target, it is read as `propose` does.
            attribute: what it is about, say `hobby`.
            target: what is true of it, say `Hiking`.
            polarity: `likes`, `avoids` or `fact`; by default what is usual for the attribute.
            reader: what reads a sentence, as in `propose`.

        Raises:
            InputError: half a preference, a sentence without any, or text that cannot be kept.
            ReaderError, ModelError: as `propose`.
            EditRefusedError: the edit would do harm; nothing was changed.
            StoreError: it cannot be kept, or somebody else changed this person meanwhile.
        """
        if sentence is not None and attribute is target is polarity is None:
            by = self._reader(reader)
            return self.add_all(found(sentence, by), same=by.same)
        said = sentence if isinstance(sentence, str) else None
        return self.add_all([from_words(table(), attribute, target, sentence=said, polarity=polarity)])

    def add_all(self, preferences: Iterable[Preference], *, same: Same = reads_same) -> Change:
        """Add several preferences in one version: all of them, or none. Raises as `add`.

        Args:
            same: whether two targets mean the same, beyond reading the same.
        """
        head, held, new = self.owner.store.ledger.head(self.name), self.list(), tuple(preferences)
        steps, left = changes(table(), held, new, same)
        known = tuple(old for p in new if (old := twin(table(), held, p, same)) is not None)
        return replace(self.keeping.change(steps, left, head) if steps else Change(), known=known)

    def forget(self, attribute_or_target: str) -> Change:
        """Forget preferences: all of an attribute (or a synonym of it), or the one with a target.

        Raises:
            UnknownNameError: there is no such preference, or no such person.
            EditRefusedError, StoreError: as `add`.
        """
        head, held = self.owner.store.ledger.head(self.name), self.list()
        if not head:
            raise unknown("user", self.name, self.owner.users())
        gone = meant(table(), self.name, held, attribute_or_target)
        rest = tuple(p for p in held if p not in gone)
        return self.keeping.change([("forgotten", p) for p in gone], rest, head)

    def history(self) -> tuple[Entry, ...]:
        """Their versions, oldest first: what changed, when, for which model, and which is present."""
        return story(self.owner.store.ledger, self.name)

    def rollback(self, version: int | None = None) -> Change:
        """Make what was true with an old version true again, as a new version. History is not rewritten.

        Args:
            version: its number; by default the one before.

        Raises:
            UnknownNameError: no such person or version.
            InputError: the version is gone, because something that it held was erased.
            EditRefusedError, StoreError: as `add`.
        """
        return rollback(self.keeping, version)

    def erase(self, attribute_or_target: str | Preference) -> Erased:
        """Take preferences out for good, past ones too: text, caches, every version that held one.

        Args:
            attribute_or_target: an attribute, with all its values; a target, whatever it is said of; or one
                preference, where another one has the same target.

        Raises:
            UnknownNameError: there never was such a preference, or no such person.
            EditRefusedError, StoreError: as `add`.
        """
        return erase(self.owner.store, self.name, attribute_or_target, lambda: self.keeping)

    def erase_all(self) -> Erased:
        """Take them out for good: everything about them, and their id.

        Raises:
            UnknownNameError: no such person.
            StoreError: as `add`.
        """
        return erase_person(self.owner.store, self.name)

    def verify(self, *, all_versions: bool = False) -> Report:
        """Check what is kept of them, as `Personalizer.verify`."""
        return self.owner.verify(self.name, all_versions=all_versions)

    def delta(self) -> Delta:
        """What stands for them on this model. Compiled now where no version fits the model yet.

        Raises:
            AdapterError: the adapter on disk is damaged.
            EditRefusedError, StoreError: as `add`.
        """
        return self.keeping.delta()

    def ask(self, question: str | Sequence[dict[str, str]], *, max_new_tokens: int = 64) -> str:
        """The answer of the model that knows them. A string is one message; a list is a conversation.

        Raises:
            InputError: an empty question, or one that is longer than the model takes.
            AdapterError, EditRefusedError, StoreError: as `delta`.
        """
        delta = self.delta()
        return self.owner.ask(question, delta=delta if delta.rank else None, max_new_tokens=max_new_tokens)

    def export(
        self, folder: Path | str, to: str = "peft", *, rank: int = SERVED, base: Path | str | None = None
    ) -> Path:
        """Write what stands for them to a folder.

        Args:
            folder: where; an export of the same format that is there is replaced, but a merged model's.
            to: `peft`, a plain LoRA folder; `gguf`, a LoRA file for llama.cpp; `ollama`, that with the base
                model's GGUF file and a Modelfile; or `merged`, a whole model that needs nothing of ours, on
                which the receipt is run again (receipt.json).
            rank: the highest an adapter may have. One that has more (fine-tuning's) is cut to its nearest;
                what that loses is kept with it (`cut_from`, `cut_error`: monogram.json, or GGUF's metadata).
            base: for `ollama`, the base model's GGUF file, where the model did not come from one.

        Raises:
            UnknownNameError: no such format.
            InputError: they have no preferences, the folder holds something else, a rank below 1, or a model
                that GGUF does not know.
            BaseMismatchError: the GGUF file is another model's.
            AdapterFileError, DiskFullError: it cannot be written; nothing is left behind.
            ModelFetchError, ModelFileError: the base model's GGUF cannot be brought here, or is broken.
        """
        given = None if base is None else Path(base)
        return export(
            self.keeping, Path(folder).expanduser(), to, rank=rank, base=given, home=self.owner.home
        )

    def _reader(self, name: str | Reader) -> Reader:
        return reader_named(name, home=self.owner.home, progress=self.owner.progress)
