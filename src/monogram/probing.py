"""Probing: measure an edit, on phrasings that never trained.

It asks for every preference (recall), asks about other people (leak) and about other things of the same
person (crosstalk), compares the next word on unrelated prompts (drift), and says what the edit cost.

What may be harm (leak, crosstalk, drift) decides what is kept, so it hangs on the edit alone: it is measured
on the whole delta, now, and asked in a call of its own. Questions about others at which no detector fires are
answered as before, and are not asked, where an editor's detectors can be read. Recall and advice decide
nothing: what `carry.py` has found to hold still is not asked again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

from monogram.clusters.cluster import KINDS, Cluster
from monogram.clusters.table import table
from monogram.delta import Delta
from monogram.drift import drift
from monogram.editors.base import Progress
from monogram.models.build import build
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.receipt import Limits, Probed, Receipt, Tally, harm_of
from monogram.scoring import recall, recommends

TOKENS = 24
"""Longest probed answer."""
OTHERS = ("pet", "profession", "location", "hobby", "music", "name")
"""Attributes that are asked for as crosstalk probes, if the person has no preference of them."""
ADVICE = ("roundabout", "recommend")
"""Kinds of probes that ask for advice."""
QUIET = 0.1
"""A detector that fires no further leaves an answer as it is: values are found at gates of 0.5 and more."""
LEAKS = 16
"""How many questions about others are asked at most, the loudest; those beyond count as these do."""


@dataclass(frozen=True)
class Question:
    """Something to ask: its kind, and whom a target in the answer would be of (all clusters: crosstalk)."""

    kind: str
    owners: tuple[Cluster, ...]
    text: str

    def named(self, answer: str) -> bool | None:
        """Whether the answer names a target; None where none can be scored."""
        found = [
            recall(c.preference.target, answer, question=self.text, attribute=c.preference.attribute)
            for c in self.owners
        ]
        return None if all(n is None for n in found) else any(found)

    def wrong(self, answer: str) -> tuple[str, ...]:
        """What is avoided and the answer recommends, where advice was asked for."""
        owner = self.owners[0]
        if self.kind not in ADVICE or owner.preference.polarity != "avoids":
            return ()
        return tuple(t for t in owner.variants or (owner.preference.target,) if recommends(t, answer))


@dataclass(frozen=True)
class Answer:
    """A question's answer, and what it is worth."""

    question: Question
    text: str
    good: bool | None
    wrong: tuple[str, ...] = ()


def probe(
    model: EditableModel,
    clusters: Sequence[Cluster],
    delta: Delta,
    details: Mapping[str, Any],
    *,
    limits: Limits,
    fired: Mapping[str, Sequence[float]] | None = None,
    carried: Mapping[str, Probed] | None = None,
    drifted: tuple[float, float] | None = None,
    base: EditableModel | None = None,
    progress: Progress | None = None,
) -> tuple[Receipt, tuple[str, ...]]:
    """Measure an edit.

    Args:
        limits: for one cluster; they are widened for as many as there are.
        fired: by a cluster's `content`, how far any detector fires at its questions about others, 1 is full;
            None: all of them are asked.
        carried: by a cluster's `content`, what need not be asked: its tallies' kinds.
        drifted: what `drift` has found already.
        base: the model before the edit, where `model` has one in its weights.

    Returns:
        The receipt, and those of its problems that are harm (recall that fell short is no harm).
    """
    held = [(c, (carried or {}).get(content(c))) for c in clusters]
    own = [
        Question(p.kind, (c,), p.text)
        for c, known in held
        for p in c.probe
        if known is None or p.kind not in known.tallies
    ]
    leaks, silent, beyond = _leaks(clusters, fired)
    given = _answers(model, delta, base or model, [[*leaks, *_crosstalk(clusters)], own], progress)
    parts = []
    for cluster, known in held:
        answers = [a for a in given if a.question.owners == (cluster,) and a.question.kind != "crosstalk"]
        parts.append(_part(cluster, known, answers, silent[content(cluster)]))
    tallies = [(c, kind, t) for (c, _), p in zip(held, parts, strict=True) for kind, t in p.tallies.items()]

    def of(*kinds: str) -> list[Tally]:
        return [tally for _, kind, tally in tallies if kind in kinds]

    advised = [t for c, kind, t in tallies if kind in ADVICE and c.preference.polarity == "avoids"]
    kl, top1 = drifted if drifted is not None else drift(model, delta)
    losses = details.get("loss") or []
    receipt = Receipt(
        recall=rate(of("ask")),
        advice=rate(of(*ADVICE)),
        leak=_leak_rate(of("leak"), silent.total(), beyond),
        crosstalk=rate([_tally(a for a in given if a.question.kind == "crosstalk")]) or 0.0,
        drift_kl=kl,
        top1=top1,
        seconds=float(details.get("seconds", 0.0)),
        nbytes=delta.nbytes,
        rank=delta.rank,
        loss=sum(losses) / len(losses) if losses else None,
        per_preference=tuple(parts),
        violation=_share(sum(t.violations for t in advised), sum(t.asked for t in advised)),
        build=build(model),
    )
    harm = harm_of(receipt, limits.of(len(clusters)))
    lost = [p for p in parts if p.recall["ask"] == 0]
    short = [f"'{p.target}' is not said when asked for {p.attribute}" for p in lost]
    wrong = sorted({*chain(*(t.wrong for t in advised))})
    short += [f"'{t}' is avoided, and an answer recommends it" for t in wrong]
    return replace(receipt, problems=(*harm, *short)), harm


def content(cluster: Cluster) -> str:
    """Digest (32 hex digits) of all that is in a cluster, its probes too."""
    return hashlib.sha256(json.dumps(asdict(cluster), sort_keys=True).encode()).hexdigest()[:32]


def rate(tallies: Iterable[Tally]) -> float | None:
    """Hits among what was scored; None where nothing was."""
    counted = list(tallies)
    return _share(sum(t.hits for t in counted), sum(t.scored for t in counted))


def _leaks(
    clusters: Sequence[Cluster], fired: Mapping[str, Sequence[float]] | None
) -> tuple[list[Question], Counter[str], int]:
    """What is asked about others; of what can be scored, how much is silent (by `content`) or beyond."""
    loud: list[tuple[float, int, Question]] = []
    silent: Counter[str] = Counter()
    for cluster in clusters:
        for n, phrasing in enumerate(cluster.contrast_probe):
            question = Question("leak", (cluster,), phrasing.text)
            how = math.inf if fired is None else fired[content(cluster)][n]
            if how > QUIET:
                loud.append((-how, len(loud), question))
            else:
                silent[content(cluster)] += question.named("") is not None
    most = len(loud) if fired is None else LEAKS
    ordered = [question for _, _, question in sorted(loud, key=lambda entry: entry[:2])]
    return ordered[:most], silent, sum(q.named("") is not None for q in ordered[most:])


def _leak_rate(tallies: Sequence[Tally], silent: int, beyond: int) -> float:
    hits, scored = sum(t.hits for t in tallies), sum(t.scored for t in tallies)
    more = beyond * hits / (scored - silent) if scored > silent else 0.0
    return (hits + more) / (scored + beyond) if scored + beyond else 0.0


def _crosstalk(clusters: Sequence[Cluster]) -> list[Question]:
    taken = {found.name for c in clusters if (found := table().find(c.preference.attribute))}
    others = [name for name in OTHERS if name not in taken][:4]
    return [Question("crosstalk", tuple(clusters), f"What's my {name}?") for name in others]


def _answers(
    model: EditableModel,
    delta: Delta,
    base: EditableModel,
    calls: Sequence[Sequence[Question]],
    progress: Progress | None,
) -> list[Answer]:
    """Ask, call by call: no answer hangs on another call. What the base model says too is no leak."""
    done, total = 0, sum(map(len, calls))

    def count(_row: int, _answer: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("checking the edit", done, total)

    asked, said = [*chain(*calls)], list[str]()
    for call in calls:
        texts = [q.text for q in call]
        said += generate(model, texts, deltas=delta, max_new_tokens=TOKENS, on_done=count)
    answers = []
    for question, text in zip(asked, said, strict=True):
        named, wrong = question.named(text), question.wrong(text)
        answers.append(Answer(question, text, named and not wrong, wrong))
    doubtful = [n for n, a in enumerate(answers) if a.good and a.question.kind in ("leak", "crosstalk")]
    if doubtful:
        before = generate(base, [asked[n].text for n in doubtful], max_new_tokens=TOKENS)
        for n, text in zip(doubtful, before, strict=True):
            if asked[n].named(text):
                answers[n] = replace(answers[n], good=False)
    return answers


def _part(cluster: Cluster, known: Probed | None, given: Sequence[Answer], silent: int) -> Probed:
    kinds = dict.fromkeys([*(p.kind for p in cluster.probe), "leak"])
    tallies = {kind: _tally(a for a in given if a.question.kind == kind) for kind in kinds}
    tallies["leak"] = replace(tallies["leak"], scored=tallies["leak"].scored + silent)
    first = next((a.text for a in given if a.question.kind == "ask"), "")
    if known is not None:
        tallies |= known.tallies
        first = known.answer if "ask" in known.tallies else first
    rates = {kind: rate([tally]) for kind, tally in tallies.items()}
    return Probed(
        cluster.preference.attribute,
        cluster.preference.target,
        {kind: rates.get(kind) for kind in KINDS},
        rates.get("leak") or 0.0,
        first,
        content(cluster),
        tallies,
    )


def _tally(given: Iterable[Answer]) -> Tally:
    answers = list(given)
    scored = [a.good for a in answers if a.good is not None]
    return Tally(
        sum(scored),
        len(scored),
        len(answers),
        sum(bool(a.wrong) for a in answers),
        tuple(sorted({*chain(*(a.wrong for a in answers))})),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
