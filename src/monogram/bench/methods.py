"""One protocol over everything that makes a model know a preference: prompting baselines and editors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from monogram.bench.items import Item
from monogram.bench.manifest import plain
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand, expand_from_lists
from monogram.clusters.table import table
from monogram.delta import Delta
from monogram.editors.base import Editor
from monogram.editors.registry import editor, editor_names
from monogram.errors import InputError, unknown
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.prompting.base import Prompting
from monogram.prompting.registry import baselines

SIMILARITY = 0.9
"""Phrasings nearer than this to an evaluated question never train (docs/evaluation.md §2)."""
BY_SYNONYM = ("rome-sequential",)
"""Editors that are given the file's own lists of synonyms where it has them."""

Wrap = Callable[[Sequence[Message]], list[dict[str, str]]]


@dataclass(frozen=True)
class Prepared:
    """A method made ready for one person."""

    delta: Delta | None
    wrap: Wrap
    seconds: float
    """What it took to take the preference in."""
    details: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """Something that can be made to know one preference."""

    @property
    def name(self) -> str:
        """What scripts and reports call it."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it is done with; two runs in one folder must agree on it."""

    def prepare(self, item: Item) -> Prepared:
        """Take the item's preference in, alone, on the base model."""


class Prompted:
    """A prompting baseline as a method."""

    def __init__(self, baseline: Prompting, preference: Callable[[Item], Preference]) -> None:
        self.baseline = baseline
        self.preference = preference

    @property
    def name(self) -> str:
        return self.baseline.name

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"kind": "prompting"}

    def prepare(self, item: Item) -> Prepared:
        start = time.perf_counter()
        preference = self.preference(item)
        return Prepared(
            delta=None,
            wrap=lambda messages: self.baseline.wrap(messages, [preference]),
            seconds=time.perf_counter() - start,
        )


class Edited:
    """An editor as a method: the preference's cluster, without what is asked, edited into the base model.

    Args:
        model: the base model.
        editor: how it is edited.
        preference: item -> its preference.
        asked: every question that is evaluated; no phrasing of a cluster may equal or nearly equal one.
        by_synonym: whether the cluster is made from the file's own lists, where the item has them.
    """

    def __init__(
        self,
        model: EditableModel,
        editor: Editor,
        preference: Callable[[Item], Preference],
        asked: Sequence[str],
        *,
        by_synonym: bool = False,
    ) -> None:
        self.model = model
        self.editor = editor
        self.preference = preference
        self.asked = tuple(asked)
        self.by_synonym = by_synonym

    @property
    def name(self) -> str:
        return str(self.editor.name)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "kind": "editor",
            "config": self.editor.config,
            "similarity": SIMILARITY,
            "by_synonym": self.by_synonym,
        }

    def prepare(self, item: Item) -> Prepared:
        cluster = self.cluster(item)
        start = time.perf_counter()
        edit = self.editor.edit(self.model, [cluster])
        seconds = time.perf_counter() - start
        details = {
            "phrasings": len(cluster.train),
            "contrast": len(cluster.contrast),
            "dropped": cluster.dropped,
            "rank": edit.delta.rank,
            "nbytes": edit.delta.nbytes,
            "edit": plain(edit.details),
        }
        return Prepared(edit.delta, _unchanged, seconds, details)

    def cluster(self, item: Item) -> Cluster:
        """The item's cluster without what is asked.

        Raises:
            InputError: nothing is left to train on.
        """
        preference = self.preference(item)
        if self.by_synonym and item.questions:
            whole = expand_from_lists(preference, item.attributes, item.questions, item.targets)
        else:
            whole = expand(preference)
        cluster = whole.without(self.asked, SIMILARITY)
        if not cluster.train:
            raise InputError(
                f"No phrasing is left to train {self.name} on for record {item.index} ({item.attribute}): "
                f"all {cluster.dropped} equal an evaluated question. Leave the method out, or the record."
            )
        return cluster


def known() -> list[str]:
    """Names of all methods: prompting baselines, then editors."""
    return [*baselines(), *(name for name in editor_names() if name not in baselines())]


def chosen(names: Sequence[str]) -> list[str]:
    """The names, each once, in the order asked; `all` stands for every method.

    Raises:
        UnknownNameError: a name that is no method.
        InputError: no name at all.
    """
    there = known()
    asked = [name.strip() for name in names if name.strip()]
    found = list(dict.fromkeys(n for name in asked for n in (there if name == "all" else [name])))
    if not found:
        raise InputError(f"No method was named. Known: {', '.join(there)}; or all.")
    for name in found:
        if name not in there:
            raise unknown("method", name, [*there, "all"])
    return found


def methods(
    names: Sequence[str],
    model: EditableModel,
    asked: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Method]:
    """Methods by name, see `chosen`.

    Args:
        names: what is compared.
        model: the base model.
        asked: every question that is evaluated (`Upqa.asked`).
        settings: editor -> its settings, where they are not the defaults.

    Raises:
        UnknownNameError: a name that is no method.
        InputError: no name at all, or a setting that an editor does not have.
    """
    prompting, preference = baselines(), preferences()
    made: list[Method] = []
    for name in chosen(names):
        if name in prompting:
            made.append(Prompted(prompting[name], preference))
        else:
            how = editor(name, **(settings or {}).get(name, {}))
            made.append(Edited(model, how, preference, asked, by_synonym=name in BY_SYNONYM))
    return made


def preferences() -> Callable[[Item], Preference]:
    """Item -> its preference, with its own polarity, else the one that the table gives its attribute, else
    `likes`.
    """
    attributes = table()

    def preference(item: Item) -> Preference:
        found = attributes.find(item.attribute)
        return item.preference(item.polarity or ("likes" if found is None else found.polarity))

    return preference


def _unchanged(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [dict(message) for message in messages]
