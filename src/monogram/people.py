"""People: the Python door. A model, somebody on it, and what is true of them.

model = monogram.load("smollm2")
alice = model.user("alice")
alice.add("I love hiking.")
alice.ask("What should I do this weekend?")
alice.forget("hobby")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monogram.delta import Delta
from monogram.editors.registry import editor as editor_named
from monogram.errors import InputError, unknown
from monogram.keeping import Change, Progress
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.person import Person
from monogram.preferences import check_user
from monogram.store.store import Store
from monogram.verify import Report, verify

__all__ = ["Change", "Person", "Personalizer", "load"]


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
        LedgerError: an erasure was killed, and cannot be finished now.
    """
    if editor is not None:
        editor_named(editor)
    place = None if home is None else Path(home)
    model = EditableModel.load(name, home=place, progress=progress)
    store = Store(place)
    store.finish()
    return Personalizer(model, store, editor=editor, progress=progress, home=place)


class Personalizer:
    """A model and the people on it. Make one with `load`."""

    def __init__(
        self,
        model: EditableModel,
        store: Store,
        *,
        editor: str | None = None,
        progress: Progress | None = None,
        home: Path | None = None,
    ) -> None:
        self.model = model
        self.store = store
        self.editor = editor
        self.progress = progress
        self.home = home
        """Where readers find models, instead of `$MONOGRAM_HOME`."""

    def user(self, name: str) -> Person:
        """Somebody, by their opaque id: known or new.

        Raises:
            InputError: an id that is empty, longer than 200 characters or has control characters.
        """
        return Person(self, check_user(name))

    def users(self) -> tuple[str, ...]:
        """The ids of everybody with a history."""
        return self.store.ledger.users()

    def verify(self, *users: str, all_versions: bool = False) -> Report:
        """Check that what is kept is whole, what the ledger says, and without traces of what was erased.

        Args:
            users: whom; everybody without any.
            all_versions: rebuild every version, not only the present ones.

        Raises:
            UnknownNameError: no such person.
            LedgerError: the ledger cannot be read at all.
        """
        known = self.users()
        for name in users:
            if name not in known:
                raise unknown("user", name, known)
        people = [self.user(name).keeping for name in users or known]
        return verify(people, self.store, all_versions=all_versions)

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
