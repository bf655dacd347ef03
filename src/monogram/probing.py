"""Probing: measure an edit, on phrasings that never trained.

It asks for every preference (recall), asks about other people (leak) and about other things of the same
person (crosstalk), compares the next word on unrelated prompts (drift), and says what the edit cost. What
`carry.py` has found to hold still is not asked again: drift and crosstalk always are.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from monogram.clusters.cluster import KINDS, Cluster
from monogram.clusters.corpus import unrelated_probes
from monogram.clusters.table import table
from monogram.delta import Delta
from monogram.editors.base import Progress
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.tail import pad_left
from monogram.receipt import Limits, Probed, Receipt, Tally, harm_of
from monogram.scoring import recall, recommends

TOKENS = 24
"""Longest probed answer."""
OTHERS = ("pet", "profession", "location", "hobby", "music", "name")
"""Attributes that are asked for as crosstalk probes, if the person has no preference of them."""
ADVICE = ("roundabout", "recommend")
"""Kinds of probes that ask for advice."""
UNRELATED = 24
"""How many unrelated prompts drift is measured on."""


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
    carried: Mapping[str, Probed] | None = None,
    progress: Progress | None = None,
) -> tuple[Receipt, tuple[str, ...]]:
    """Measure an edit.

    Args:
        carried: by a cluster's `content`, what need not be asked: its tallies' kinds.

    Returns:
        The receipt, and those of its problems that are harm (recall that fell short is no harm).
    """
    held = [(c, (carried or {}).get(content(c))) for c in clusters]
    asked = [q for c, known in held for q in questions(c) if known is None or q.kind not in known.tallies]
    given = _answers(model, delta, [*asked, *_crosstalk(clusters)], progress)
    parts = tuple(_part(c, known, [a for a in given if a.question.owners == (c,)]) for c, known in held)
    tallies = [(c, kind, t) for (c, _), p in zip(held, parts, strict=True) for kind, t in p.tallies.items()]

    def of(*kinds: str) -> list[Tally]:
        return [tally for _, kind, tally in tallies if kind in kinds]

    advised = [t for c, kind, t in tallies if kind in ADVICE and c.preference.polarity == "avoids"]
    kl, top1 = drift(model, delta)
    losses = details.get("loss") or []
    receipt = Receipt(
        recall=rate(of("ask")),
        advice=rate(of(*ADVICE)),
        leak=rate(of("leak")) or 0.0,
        crosstalk=rate([_tally(a for a in given if a.question.kind == "crosstalk")]) or 0.0,
        drift_kl=kl,
        top1=top1,
        seconds=float(details.get("seconds", 0.0)),
        nbytes=delta.nbytes,
        rank=delta.rank,
        loss=sum(losses) / len(losses) if losses else None,
        per_preference=parts,
        violation=_share(sum(t.violations for t in advised), sum(t.asked for t in advised)),
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


def questions(cluster: Cluster) -> list[Question]:
    """What is asked about one cluster."""
    asked = [Question(p.kind, (cluster,), p.text) for p in cluster.probe]
    return asked + [Question("leak", (cluster,), p.text) for p in cluster.contrast_probe]


def rate(tallies: Iterable[Tally]) -> float | None:
    """Hits among what was scored; None where nothing was."""
    counted = list(tallies)
    return _share(sum(t.hits for t in counted), sum(t.scored for t in counted))


def drift(model: EditableModel, delta: Delta) -> tuple[float, float]:
    """(mean KL of base from edited in nats, agreement of the likeliest token) on unrelated prompts."""
    prompts = unrelated_probes()[:UNRELATED]
    base, edited = (_first_token(model, prompts, d) for d in (None, delta))
    kl = (base.exp() * (base - edited)).sum(-1).mean()
    return float(kl), float((base.argmax(-1) == edited.argmax(-1)).double().mean())


def _crosstalk(clusters: Sequence[Cluster]) -> list[Question]:
    taken = {found.name for c in clusters if (found := table().find(c.preference.attribute))}
    others = [name for name in OTHERS if name not in taken][:4]
    return [Question("crosstalk", tuple(clusters), f"What's my {name}?") for name in others]


def _answers(
    model: EditableModel, delta: Delta, asked: Sequence[Question], progress: Progress | None
) -> list[Answer]:
    """Ask; what names a target and should not is held against the base model, whose answers are no leak."""
    done = 0

    def count(_row: int, _answer: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("checking the edit", done, len(asked))

    said = generate(model, [q.text for q in asked], deltas=delta, max_new_tokens=TOKENS, on_done=count)
    answers = []
    for question, text in zip(asked, said, strict=True):
        named, wrong = question.named(text), question.wrong(text)
        answers.append(Answer(question, text, named and not wrong, wrong))
    doubtful = [n for n, a in enumerate(answers) if a.good and a.question.kind in ("leak", "crosstalk")]
    if doubtful:
        before = generate(model, [asked[n].text for n in doubtful], max_new_tokens=TOKENS)
        for n, text in zip(doubtful, before, strict=True):
            if asked[n].named(text):
                answers[n] = replace(answers[n], good=False)
    return answers


def _part(cluster: Cluster, known: Probed | None, given: Sequence[Answer]) -> Probed:
    kinds = dict.fromkeys(q.kind for q in questions(cluster))
    tallies = {kind: _tally(a for a in given if a.question.kind == kind) for kind in kinds}
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


def _first_token(model: EditableModel, prompts: Sequence[str], delta: Delta | None) -> Tensor:
    """(n, vocabulary) log-probabilities of the answers' first token, float64."""
    out = []
    last = (
        {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.model.forward).parameters else {}
    )
    for prompt in prompts:
        ids, _ = pad_left([model.chat_ids(prompt)])
        with torch.no_grad(), attach(model, delta):
            logits = model.model(input_ids=ids.to(model.device), **last).logits
        out.append(logits[0, -1].double().log_softmax(-1))
    return torch.stack(out)
