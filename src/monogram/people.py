"""People: the Python door. A model, somebody on it, and what is true of them.

    model = monogram.load("smollm2")
    alice = model.user("alice")
    alice.add("I love hiking.")
    alice.ask("What should I do this weekend?")
    alice.forget("hobby")

Every change compiles the whole set of preferences that is left by it, on the base model, so a person's delta
never depends on how the set came about. A change that is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monogram.carry import Last
from monogram.clusters.extract import Reader, propose
from monogram.clusters.group import Same, changes, from_words, meant, reads_same, twin
from monogram.clusters.said import Said
from monogram.clusters.table import table
from monogram.delta import Delta, save_adapter
from monogram.editors.registry import editor as editor_named
from monogram.errors import InputError, unknown
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.whole import base_name, save_merged
from monogram.personalizer import Monogram, compile_monogram
from monogram.preferences import Preference, check_user
from monogram.reading import found
from monogram.reading import reader as reader_named
from monogram.store.ledger import Kind, Version, set_digest
from monogram.store.store import Nothing, Store

Progress = Callable[[str, int, int], None]
EDITOR = "neuron"
"""The editor for people who have none yet."""
FORMATS = ("peft", "merged")


def load(
    name: str = "smollm2",
    *,
    home: Path | str | None = None,
    editor: str | None = None,
    progress: Progress | None = None,
) -> Personalizer:
    """A model that people can be stitched into.

    Args:
        name: the embedded default, a folder, a `.gguf` file or a hub id.
        home: where models and people are kept, instead of `$MONOGRAM_HOME`.
        editor: how preferences become weights; by default each person's last one, at first `neuron`.
        progress: called with (what, done, total) during everything that takes long.

    Raises:
        ModelError: not found, not fetched, broken files, or a kind that cannot be edited.
        UnknownNameError: no such editor.
    """
    if editor is not None:
        editor_named(editor)
    place = None if home is None else Path(home)
    model = EditableModel.load(name, home=place, progress=progress)
    return Personalizer(model, Store(place), editor=editor, progress=progress)


@dataclass(frozen=True)
class Change:
    """What `add` or `forget` did. Without a version, everything was so already."""

    added: tuple[Preference, ...] = ()
    removed: tuple[Preference, ...] = ()
    """Replaced or forgotten."""
    version: Version | None = None
    monogram: Monogram | None = None
    """None when nothing is left to be compiled."""
    known: tuple[Preference, ...] = ()
    """Held already, and given again in these or other words."""


class Personalizer:
    """A model and the people on it. Make one with `load`."""

    def __init__(
        self,
        model: EditableModel,
        store: Store,
        *,
        editor: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self.store = store
        self.editor = editor
        self.progress = progress

    def user(self, name: str) -> Person:
        """Somebody, by their opaque id: known or new.

        Raises:
            InputError: an id that is empty, longer than 200 characters or has control characters.
        """
        return Person(self, check_user(name))

    def users(self) -> tuple[str, ...]:
        """The ids of everybody with a history."""
        return self.store.ledger.users()

    def ask(
        self,
        question: str | Sequence[dict[str, str]],
        *,
        delta: Delta | None = None,
        max_new_tokens: int = 64,
    ) -> str:
        """The answer of the base model, or with a delta on it.

        Raises:
            InputError: an empty question, or one that is longer than the model takes.
        """
        if isinstance(question, str) and not question.strip():
            raise InputError("The question is empty. Ask something.")
        return generate(self.model, [question], deltas=delta, max_new_tokens=max_new_tokens)[0]


class Person:
    """Somebody on a model: what is true of them, and a model that knows it."""

    def __init__(self, owner: Personalizer, name: str) -> None:
        self.owner = owner
        self.name = name

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
        return replace(self._change(steps, left, head) if steps else Change(), known=known)

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
        return self._change([("forgotten", p) for p in gone], rest, head)

    def delta(self) -> Delta:
        """What stands for them on this model. Compiled now where no version fits the model yet.

        Raises:
            AdapterError: the adapter on disk is damaged.
            EditRefusedError, StoreError: as `add`.
        """
        store, digest = self.owner.store, self.owner.model.digest
        head, held = store.ledger.head(self.name), self.list()
        if not held:
            return Delta.zero()
        version = store.ledger.version(self.name, digest)
        if version is not None and version.preferences_digest == set_digest(held):
            fits = self.owner.editor in (None, version.editor)
            kept = store.delta(self.name, version) if fits else None
            if kept is not None:
                return kept
        made = self._change([], held, head).monogram
        return made.delta if made is not None else Delta.zero()

    def ask(self, question: str | Sequence[dict[str, str]], *, max_new_tokens: int = 64) -> str:
        """The answer of the model that knows them. A string is one message; a list is a conversation.

        Raises:
            InputError: an empty question, or one that is longer than the model takes.
            AdapterError, EditRefusedError, StoreError: as `delta`.
        """
        delta = self.delta()
        return self.owner.ask(question, delta=delta if delta.rank else None, max_new_tokens=max_new_tokens)

    def export(self, folder: Path | str, to: str = "peft") -> Path:
        """Write what stands for them to a folder.

        Args:
            folder: where; an adapter that is there is replaced.
            to: `peft`, a plain LoRA folder; or `merged`, a whole model that needs nothing of ours.

        Raises:
            UnknownNameError: no such format.
            InputError: they have no preferences, or the folder holds something else.
            AdapterFileError, DiskFullError: it cannot be written; nothing is left behind.
        """
        if to not in FORMATS:
            raise unknown("export format", to, FORMATS)
        if not self.list():
            raise InputError(f"There is nothing to export: {self.name!r} has no preferences.")
        target, delta, model = Path(folder).expanduser(), self.delta(), self.owner.model
        if to == "merged":
            save_merged(model, delta, target)
        else:
            save_adapter(
                delta,
                target,
                base_name=base_name(model),
                base_digest=model.digest,
                fan_in_fan_out=model.layout.conv1d,
            )
        return target

    def _reader(self, name: str | Reader) -> Reader:
        return reader_named(name, home=self.owner.store.home, progress=self.owner.progress)

    def _change(
        self, steps: Sequence[tuple[Kind, Preference]], left: tuple[Preference, ...], head: int
    ) -> Change:
        owner = self.owner
        last = owner.store.ledger.version(self.name)
        editor = owner.editor or (last.editor if last else EDITOR)
        made = None
        if left:
            made = compile_monogram(
                owner.model,
                left,
                editor=editor,
                keep=owner.store.artefacts.of(self.name),
                last=Last(last, self.list()) if last else None,
                progress=owner.progress,
            )
        version = owner.store.commit(
            self.name,
            steps,
            made if made is not None else Nothing(owner.model.digest, editor),
            after=head,
            base_name=base_name(owner.model),
            fan_in_fan_out=owner.model.layout.conv1d,
        )
        added = tuple(p for kind, p in steps if kind == "added")
        return Change(added, tuple(p for kind, p in steps if kind != "added"), version, made)
