"""How far an edit fires where an answer starts, for editors whose detectors can be read without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.editors.base import Reads
from monogram.editors.kept import Keep
from monogram.models.chat import Message
from monogram.models.editable import EditableModel

Gates = Callable[[Sequence[Sequence[Message]]], list[float] | None]
"""How far the loudest preference's part fires where the answers to conversations start: 1 is full, 0 is
not at all. None where the editor cannot say. The last bits hang on the whole list of conversations."""


def gates_of(editor: object, model: EditableModel, clusters: Sequence[Cluster], keep: Keep) -> Gates | None:
    """The gates of an edit; None where the editor has none.

    Args:
        editor, model, clusters: of the edit.
        keep: what it was given, which holds what it found.
    """
    if not isinstance(editor, Reads):
        return None
    readable = editor

    def gates(chats: Sequence[Sequence[Message]]) -> list[float] | None:
        heard = readable.readings(model, clusters, [[standing(chat) for chat in chats]], keep)
        return None if heard is None else heard[0].amax(1).clamp(min=0).tolist()

    return gates


def standing(chat: Sequence[Message]) -> Phrasing:
    """A conversation as a phrasing: `messages` gives it back. What is asked is nobody's training phrasing."""
    system = chat[0]["content"] if chat[0]["role"] == "system" else None
    earlier = chat[(system is not None) : -1]
    history = tuple((message["role"], message["content"]) for message in earlier)
    return Phrasing(chat[-1]["content"], "contrast", history, system)
