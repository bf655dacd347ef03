"""The receipt: what was measured right after an edit, on phrasings that never trained.

It asks for every preference (recall), asks about other people (leak) and about other things of the same
person (crosstalk), compares the next word on unrelated prompts (drift), and says what the edit cost. An edit
that harms is known by it before it is kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.clusters.corpus import unrelated_probes
from monogram.clusters.table import table
from monogram.delta import Delta
from monogram.editors.base import Progress
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.tail import pad_left
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
class Limits:
    """What counts as harm. Rates from 0 to 1.

    Attributes:
        leak: largest share of questions about others that are answered with a target.
        crosstalk: the same, of questions about the person's other attributes.
        top1: smallest share of unrelated prompts whose first word stays the base model's.
        drift_kl: largest mean KL divergence of that word, nats.
    """

    leak: float = 0.34
    crosstalk: float = 0.34
    top1: float = 0.9
    drift_kl: float = 0.3


@dataclass(frozen=True)
class Probed:
    """One preference's part of a receipt: recall by kind of question, gates where the editor has such."""

    attribute: str
    target: str
    recall: Mapping[str, float | None]
    leak: float
    answer: str


@dataclass(frozen=True)
class Receipt:
    """What an edit does and costs.

    Attributes:
        recall: share of direct probe questions answered with the target; None where no target can be scored.
        advice: the same of roundabout and recommendation probes.
        leak, crosstalk: shares of look-alike questions whose answer names a target and did not before.
        drift_kl, top1: mean KL (nats) and agreement of the first word on unrelated prompts.
        seconds: of the edit, without this receipt.
        nbytes, rank: of the delta.
        loss: the value step's last loss, mean over preferences, nats per token; None for editors without.
        per_preference: one part for each preference.
        problems: what is harmful or did not work, in words; empty for a good edit.
        violation: share of advice about what is avoided that recommends it; None where nothing is.
    """

    recall: float | None
    advice: float | None
    leak: float
    crosstalk: float
    drift_kl: float
    top1: float
    seconds: float
    nbytes: int
    rank: int
    loss: float | None
    per_preference: tuple[Probed, ...]
    problems: tuple[str, ...] = ()
    violation: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Receipt:
        """What `as_dict` gave."""
        known: dict[str, Any] = {f.name: record.get(f.name) for f in fields(cls)}  # old ones lack `violation`
        known["per_preference"] = tuple(Probed(**p) for p in record["per_preference"])
        known["problems"] = tuple(record["problems"])
        return cls(**known)


def probe(
    model: EditableModel,
    clusters: Sequence[Cluster],
    delta: Delta,
    details: Mapping[str, Any],
    *,
    limits: Limits,
    progress: Progress | None = None,
) -> tuple[Receipt, tuple[str, ...]]:
    """Measure an edit.

    Returns:
        The receipt, and those of its problems that are harm (recall that fell short is no harm).
    """
    asked: list[tuple[str, int, str]] = []  # (kind, which cluster, question)
    for i, cluster in enumerate(clusters):
        asked += [(p.kind, i, p.text) for p in cluster.probe]
        asked += [("leak", i, p.text) for p in cluster.contrast_probe]
    taken = {found.name for c in clusters if (found := table().find(c.preference.attribute))}
    others = [name for name in OTHERS if name not in taken][:4]
    asked += [("crosstalk", -1, f"What's my {name}?") for name in others]
    questions = [question for _, _, question in asked]
    done = 0

    def count(_row: int, _answer: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("checking the edit", done, len(questions))

    said = generate(model, questions, deltas=delta, max_new_tokens=TOKENS, on_done=count)
    marks: list[bool | None] = []
    advised: list[list[str]] = []  # for each advice about what is avoided: what of it is recommended
    for (kind, i, question), answer in zip(asked, said, strict=True):
        owners = clusters if i < 0 else [clusters[i]]
        named = [
            recall(c.preference.target, answer, question=question, attribute=c.preference.attribute)
            for c in owners
        ]
        wrong: list[str] = []
        if kind in ADVICE and (avoided := owners[0].preference).polarity == "avoids":
            wrong = [t for t in owners[0].variants or (avoided.target,) if recommends(t, answer)]
            advised.append(wrong)
        marks.append(None if all(n is None for n in named) else any(named) and not wrong)
    doubtful = [n for n, (kind, _, _) in enumerate(asked) if marks[n] and kind in ("leak", "crosstalk")]
    if doubtful:  # what the base model says too is no leak
        before = generate(model, [questions[n] for n in doubtful], max_new_tokens=TOKENS)
        for n, answer in zip(doubtful, before, strict=True):
            owners = clusters if asked[n][1] < 0 else [clusters[asked[n][1]]]
            if any(
                recall(c.preference.target, answer, question=questions[n], attribute=c.preference.attribute)
                for c in owners
            ):
                marks[n] = False

    def rate(*kinds: str, of: int | None = None) -> float | None:
        counted = [
            m
            for m, (kind, i, _) in zip(marks, asked, strict=True)
            if kind in kinds and m is not None and of in (None, i)
        ]
        return sum(counted) / len(counted) if counted else None

    parts = tuple(
        Probed(
            c.preference.attribute,
            c.preference.target,
            {kind: rate(kind, of=i) for kind in ("ask", "roundabout", "recommend")},
            rate("leak", of=i) or 0.0,
            next((a for (kind, j, _), a in zip(asked, said, strict=True) if j == i and kind == "ask"), ""),
        )
        for i, c in enumerate(clusters)
    )
    kl, top1 = _drift(model, delta)
    losses = details.get("loss") or []
    receipt = Receipt(
        recall=rate("ask"),
        advice=rate(*ADVICE),
        leak=rate("leak") or 0.0,
        crosstalk=rate("crosstalk") or 0.0,
        drift_kl=kl,
        top1=top1,
        seconds=float(details.get("seconds", 0.0)),
        nbytes=delta.nbytes,
        rank=delta.rank,
        loss=sum(losses) / len(losses) if losses else None,
        per_preference=parts,
        violation=sum(map(bool, advised)) / len(advised) if advised else None,
    )
    harm = _harm(receipt, limits)
    lost = [p for p in parts if p.recall["ask"] == 0]
    short = [f"'{p.target}' is not said when asked for {p.attribute}" for p in lost]
    short += [f"'{t}' is avoided, and an answer recommends it" for t in sorted({*chain(*advised)})]
    return replace(receipt, problems=(*harm, *short)), harm


def _harm(receipt: Receipt, limits: Limits) -> tuple[str, ...]:
    found = []
    for name, value, limit in (
        ("leak to questions about others", receipt.leak, limits.leak),
        ("crosstalk with other attributes", receipt.crosstalk, limits.crosstalk),
    ):
        if value > limit:
            found.append(f"{name} {value:.2f}, at most {limit:.2f} is allowed")
    if receipt.top1 < limits.top1:
        found.append(
            f"only {receipt.top1:.2f} of unrelated prompts begin as before, {limits.top1:.2f} is asked"
        )
    if not receipt.drift_kl <= limits.drift_kl:
        found.append(
            f"drift on unrelated prompts {receipt.drift_kl:.3f} nats, "
            f"at most {limits.drift_kl:.2f} is allowed"
        )
    return tuple(found)


def _drift(model: EditableModel, delta: Delta) -> tuple[float, float]:
    """(mean KL of base from edited in nats, agreement of the likeliest token) on unrelated prompts."""
    prompts = unrelated_probes()[:UNRELATED]
    base, edited = (_first_token(model, prompts, d) for d in (None, delta))
    kl = (base.exp() * (base - edited)).sum(-1).mean()
    return float(kl), float((base.argmax(-1) == edited.argmax(-1)).double().mean())


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
