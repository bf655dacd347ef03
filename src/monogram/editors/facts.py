"""Facts: a preference as questions with their answers, in tokens, one for each subject that is asked for.

    "What's my pastime?"    in some of the cluster's contexts    ->  "Hiking"

This is what ROME and its kin edit by. A cluster's size, whether its questions are edited one after the other,
and whether each has a target of its own are said here, the same for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.table import table
from monogram.editors.lines import opening
from monogram.editors.subject import place_of, subject_span
from monogram.errors import InputError
from monogram.models.editable import EditableModel

Context = tuple[str | None, tuple[tuple[str, str], ...]]
"""A system prompt and earlier turns."""


@dataclass(frozen=True)
class Asking:
    """By which questions a preference is edited."""

    contexts: int = 8
    """In how many of the cluster's contexts (system prompt, earlier turns) a question is put, at most."""
    synonyms: int = 1
    """By how many questions, each with a subject of its own, at most; published clusters have 1 to 9."""
    sequential: bool = False
    """Whether each fact is edited into the model as edited so far: the recipe of arXiv 2512.13676. Else
    values are found on the base model, each as if alone."""
    targets: Literal["same", "different"] = "same"
    """Whether all synonyms have the one target, or each another variant of it (the cluster's, in turn)."""


@dataclass(frozen=True)
class Fact:
    """One question and its answer, in tokens. Places are the subject's last token in each row.

    `essence` is the conversation "{subject} is a"; its drift is read at the token of "a".
    """

    subject: str
    rows: list[list[int]]
    places: list[int]
    answer: list[int]
    essence: list[int]
    essence_places: tuple[int, int]


def facts_of(em: EditableModel, cluster: Cluster, how: Asking) -> list[Fact]:
    """The facts a preference is edited by, at least one; the first has the preference's own target.

    Questions that name the attribute come first, then those with a synonym from the table, then the rest.

    Raises:
        InputError: a cluster without phrasings.
    """
    attribute = cluster.preference.attribute
    known = table().find(attribute)
    names = list(dict.fromkeys([attribute, *(known.all_names if known is not None else ())]))
    asked = [p.text for p in cluster.train if p.kind == "ask"] or [p.text for p in cluster.train]
    if not asked:
        raise InputError(f"The cluster of '{attribute}' has no phrasing to edit by; give it one at least.")
    by_subject: dict[str, tuple[str, tuple[int, int]]] = {}
    for text in asked:
        first, end = subject_span(text, names)
        by_subject.setdefault(text[first:end].casefold(), (text, (first, end)))
    rank = {n.casefold(): i > 0 for i, n in reversed(list(enumerate(names)))}
    chosen = sorted(by_subject, key=lambda subject: rank.get(subject, 2))[: max(1, how.synonyms)]
    places: list[Context] = [(None, ()), *((p.system, p.history) for p in cluster.train)]
    around = list(dict.fromkeys(places))[: max(1, how.contexts)]
    targets = [cluster.preference.target, *(cluster.variants if how.targets == "different" else ())]
    answers = [opening(em, target) for target in targets]
    return [
        _fact(em, *by_subject[subject], around, answers[turn % len(answers)])
        for turn, subject in enumerate(chosen)
    ]


def _fact(
    em: EditableModel,
    text: str,
    span: tuple[int, int],
    around: Sequence[Context],
    answer: list[int],
) -> Fact:
    subject = text[slice(*span)]
    asked = [Phrasing(text, "ask", history=history, system=system).messages() for system, history in around]
    found = [place_of(em, messages, span[1]) for messages in asked]
    essence = [{"role": "user", "content": f"{subject} is a"}]
    ids, first = place_of(em, essence, len(subject))
    _, last = place_of(em, essence, len(subject) + len(" is a"))
    return Fact(subject, [row for row, _ in found], [at for _, at in found], answer, ids, (first, last))
