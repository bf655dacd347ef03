"""One protocol over everything that makes a model know preferences: prompting baselines and editors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from monogram.bench.facts import Fact
from monogram.bench.gates import Gates, gates_of
from monogram.bench.manifest import plain
from monogram.bench.settings import seed_of, seeded
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand_all, expand_from_lists
from monogram.delta import Delta
from monogram.editors.base import Editor, edit_with
from monogram.editors.chosen import editor_for
from monogram.editors.kept import Memory
from monogram.editors.registry import editor_names
from monogram.errors import InputError, unknown
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.patch import Attachable
from monogram.prompting.base import Prompting, Repeated
from monogram.prompting.registry import baselines

SIMILARITY = 0.9
"""Phrasings nearer than this to an evaluated question never train (docs/evaluation.md §2)."""
SLOW = "neuron-plain"
"""Left out of `all`: `neuron` once more, without its fast path; what it says is what `neuron` says."""
_ANYTHING: Sequence[Message] = ({"role": "user", "content": "?"},)
Wrap = Callable[[Sequence[Message]], list[dict[str, str]]]
Again = Callable[[Sequence[Message], Sequence[str]], list[dict[str, str]]]


@dataclass(frozen=True)
class Prepared:
    """A method made ready for one person. `bench.passes` takes its passes."""

    delta: Attachable | None
    """What is put on the model: of an editor, its edit's change."""
    wrap: Wrap
    seconds: float
    """What it took to take the preferences in."""
    details: Mapping[str, Any] = field(default_factory=dict)
    passes: int = 1
    """Passes of the model for one answer: the first over the wrapped conversation, then over what `again`
    makes of the user's conversation and what was written; the last answers."""
    again: Again = lambda messages, _: _unchanged(messages)
    respond: Callable[[Sequence[Message]], str] | None = None
    """How it answers, where the model is not asked at all."""
    gates: Gates | None = None
    """How far it fires, where that can be read."""

    @property
    def digest(self) -> str:
        """What it is, to the bit: the delta's digest, or that of what it puts around a question."""
        if self.delta is not None:
            return self.delta.digest
        chat = self.wrap(_ANYTHING)
        return hashlib.sha256(json.dumps(chat, sort_keys=True).encode()).hexdigest()


class Method(Protocol):
    """Something that can be made to know preferences."""

    @property
    def name(self) -> str:
        """What scripts and reports call it."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it is done with; two runs in one folder must agree on it. `seed` where it draws."""

    def prepare(self, facts: Sequence[Fact], *, again: bool = False) -> Prepared:
        """Take a person's preferences in, all of them, on the base model; none: the base model.

        Args:
            again: it is come back to, as after a change: what was kept of them before may be used.
        """


class Prompted:
    """A prompting baseline as a method."""

    def __init__(self, baseline: Prompting) -> None:
        self.baseline = baseline

    @property
    def name(self) -> str:
        return self.baseline.name

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"kind": "prompting"}

    def prepare(self, facts: Sequence[Fact], *, again: bool = False) -> Prepared:
        del again
        start = time.perf_counter()
        baseline, known = self.baseline, [fact.preference for fact in facts]
        made = Prepared(None, lambda chat: baseline.wrap(chat, known), 0.0)
        made.wrap(_ANYTHING)  # what cannot be done fails here, and what is done once is done
        if known and isinstance(baseline, Repeated):
            once_more = baseline.again
            made = replace(
                made, passes=baseline.passes, again=lambda chat, said: once_more(chat, known, said)
            )
        return replace(made, seconds=time.perf_counter() - start)


class Edited:
    """An editor as a method: the preferences' clusters, without what is asked, edited into the base model.

    Args:
        model: the base model.
        editor: how it is edited.
        asked: every text that is evaluated; no phrasing of a cluster may equal or nearly equal one.
        by_synonym: whether clusters are made from the data's own lists, where a fact has them: for editors
            that are set to edit by more than one synonym.
    """

    def __init__(
        self, model: EditableModel, editor: Editor, asked: Sequence[str], *, by_synonym: bool = False
    ) -> None:
        self.model = model
        self.editor = editor
        self.asked = tuple(asked)
        self.by_synonym = by_synonym
        self._kept = Memory()

    @property
    def name(self) -> str:
        return str(self.editor.name)

    @property
    def settings(self) -> Mapping[str, Any]:
        config = self.editor.config
        return {
            "kind": "editor",
            "config": config,
            "similarity": SIMILARITY,
            "by_synonym": self.by_synonym,
            **({} if (seed := seed_of(config)) is None else {"seed": seed}),
        }

    def prepare(self, facts: Sequence[Fact], *, again: bool = False) -> Prepared:
        clusters = self.clusters(facts)
        if not clusters:
            return Prepared(None, _unchanged, 0.0)
        start = time.perf_counter()
        found = Memory(self._kept) if again else Memory()
        edit = edit_with(self.editor, self.model, clusters, keep=found)
        seconds = time.perf_counter() - start
        self._kept.take(found)
        details = {
            "phrasings": sum(len(cluster.train) for cluster in clusters),
            "contrast": sum(len(cluster.contrast) for cluster in clusters),
            "dropped": sum(cluster.dropped for cluster in clusters),
            **({"rank": edit.change.rank} if isinstance(edit.change, Delta) else {}),
            "nbytes": edit.change.nbytes,
            "edit": plain(edit.details),
        }
        gates = gates_of(self.editor, self.model, clusters, found)
        return Prepared(edit.change, _unchanged, seconds, details, gates=gates)

    def clusters(self, facts: Sequence[Fact]) -> list[Cluster]:
        """The facts' clusters without what is asked.

        Raises:
            InputError: nothing is left to train on.
        """
        listed = [fact for fact in facts if fact.exactly or (self.by_synonym and fact.questions)]
        whole = [_from_lists(fact) for fact in listed]
        whole += expand_all(fact.preference for fact in facts if fact not in listed)
        clusters = [cluster.without(self.asked, SIMILARITY) for cluster in whole]
        for cluster in clusters:
            if not cluster.train:
                raise InputError(
                    f"No phrasing is left to train {self.name} on for {cluster.preference.attribute} "
                    f"'{cluster.preference.target}': all {cluster.dropped} equal an evaluated question. "
                    "Leave the method out, or the record."
                )
        return clusters


def _from_lists(fact: Fact) -> Cluster:
    different = fact.exactly == "different"
    return expand_from_lists(
        fact.preference, fact.attributes, fact.questions, fact.targets, different=different
    )


def known() -> list[str]:
    """Names of all methods: prompting baselines, then editors."""
    return [*baselines(), *(name for name in editor_names() if name not in baselines())]


def chosen(names: Sequence[str]) -> list[str]:
    """The names, each once, in the order asked; `all` stands for every method but `SLOW`.

    Raises:
        UnknownNameError: a name that is no method.
        InputError: no name at all.
    """
    there = known()
    every = [name for name in there if name != SLOW]
    asked = [name.strip() for name in names if name.strip()]
    found = list(dict.fromkeys(n for name in asked for n in (every if name == "all" else [name])))
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
    seed: int = 0,
) -> list[Method]:
    """Methods by name, see `chosen`, the cheap ones first: prompting, then editors as asked.

    Args:
        names: what is compared.
        model: the base model.
        asked: every text that is evaluated (`Plan.asked`).
        settings: editor -> its settings (`preset` too), where they are not those found for the model.
        seed: of the editors that draw.

    Raises:
        UnknownNameError: a name that is no method.
        InputError: no name at all, a setting that an editor does not have, or settings of what is not among
            the editors named.
    """
    prompting = baselines()
    made: list[Method] = []
    named = chosen(names)
    if strangers := sorted(set(settings or {}) - (set(named) - set(prompting))):
        raise InputError(
            f"Settings were given for {', '.join(strangers)}, which is no editor that was named. Name it "
            "among the methods, or leave the setting out."
        )
    for name in sorted(named, key=lambda name: name not in prompting):
        if name in prompting:
            made.append(Prompted(prompting[name]))
        else:
            how = editor_for(model, name, **(settings or {}).get(name, {}))
            how.config = seeded(how.config, seed)
            made.append(Edited(model, how, asked, by_synonym=getattr(how.config, "synonyms", 1) > 1))
    return made


def _unchanged(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [dict(message) for message in messages]
