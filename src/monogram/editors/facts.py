"""Facts: a preference as questions with their answers, in tokens, one for each subject that is asked for.

    "What's my pastime?"    in some of the cluster's contexts    ->  "Hiking"

This is what ROME and its kin edit by. By how many of a cluster's questions, and whether one after the other,
is said here, the same for all of them; whether each has a target of its own is the cluster's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    def at_answer(self) -> Fact:
        """The same, looked up at the last token of each prompt, where the answer starts. The essence's drift
        is read there, too: how the model answers to "{subject} is a".
        """
        last = len(self.essence) - 1
        essence = [*self.essence, self.answer[0]]  # a token to come; what is read is what comes instead
        places = [len(row) - 1 for row in self.rows]
        return replace(self, places=places, essence=essence, essence_places=(last, last))


def facts_of(em: EditableModel, cluster: Cluster, how: Asking) -> list[Fact]:
    """The facts a preference is edited by, at least one; a question's own target is its answer.

    Questions that name the attribute come first, then those with a synonym from the table, then the rest.

    Raises:
        InputError: a cluster without phrasings.
    """
    attribute = cluster.preference.attribute
    known = table().find(attribute)
    names = list(dict.fromkeys([attribute, *(known.all_names if known is not None else ())]))
    asked = cluster.of_kind("ask") or cluster.train
    if not asked:
        raise InputError(f"The cluster of '{attribute}' has no phrasing to edit by; give it one at least.")
    by_subject: dict[str, tuple[Phrasing, tuple[int, int]]] = {}
    for phrasing in asked:
        first, end = subject_span(phrasing.text, names)
        by_subject.setdefault(phrasing.text[first:end].casefold(), (phrasing, (first, end)))
    rank = {n.casefold(): i > 0 for i, n in reversed(list(enumerate(names)))}
    chosen = sorted(by_subject, key=lambda subject: rank.get(subject, 2))[: max(1, how.synonyms)]
    places: list[Context] = [(None, ()), *((p.system, p.history) for p in cluster.train)]
    around = list(dict.fromkeys(places))[: max(1, how.contexts)]
    facts = []
    for phrasing, span in map(by_subject.__getitem__, chosen):
        answer = opening(em, phrasing.target or cluster.preference.target)
        facts.append(_fact(em, phrasing.text, span, around, answer))
    return facts


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
