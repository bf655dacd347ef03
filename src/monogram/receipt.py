"""The receipt: what was measured right after an edit, on phrasings that never trained; and what is harm.

`probing.py` measures; `carry.py` says which figures of recall and advice still hold, so that a change among
many preferences need not ask for all of them again. What was carried over says at which version it was
measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What counts as harm. Rates from 0 to 1.

    Leaks and crosstalk are shares of what is asked about each cluster. Drift adds up: every detector has its
    own false alarms. So its limits are for one cluster, and widen with each further one, up to a bound. How
    much is what ten preferences of SmolLM2 were found to do, see docs/log.md.

    Attributes:
        leak: largest share of questions about others that are answered with a target.
        crosstalk: the same, of questions about the person's other attributes.
        top1: smallest share of unrelated prompts whose first word stays the base model's.
        drift_kl: largest mean KL divergence of that word, nats.
        top1_each, drift_each: how much these two widen with each further cluster.
        top1_least, drift_most: how far at most.
    """

    leak: float = 0.34
    crosstalk: float = 0.34
    top1: float = 0.9
    drift_kl: float = 0.3
    top1_each: float = 0.02
    drift_each: float = 0.05
    top1_least: float = 0.75
    drift_most: float = 0.75

    def of(self, clusters: int) -> Limits:
        """The limits for so many clusters together; one that is wider than the bound stays as it is."""
        more = max(0, clusters - 1)
        top1 = min(self.top1, max(self.top1_least, self.top1 - more * self.top1_each))
        kl = max(self.drift_kl, min(self.drift_most, self.drift_kl + more * self.drift_each))
        return replace(self, top1=top1, drift_kl=kl)


@dataclass(frozen=True)
class Tally:
    """How questions of one kind about one preference were answered.

    Attributes:
        hits: answers that name the target (and, asked for advice, recommend nothing that is avoided); of
            `leak`, those that should not and do.
        scored: answers that could be scored; of `leak`, questions too at which no detector fires.
        asked: all answers.
        violations: those that recommend what is avoided; wrong: what they recommend.
        version: at which version this was measured; None: in this receipt.
    """

    hits: int
    scored: int
    asked: int
    violations: int = 0
    wrong: tuple[str, ...] = ()
    version: int | None = None


@dataclass(frozen=True)
class Probed:
    """One cluster's part of a receipt: rates by kind of question, and what they were counted from.

    `content` is a digest of the cluster; `tallies` has the kinds of recall, and `leak`.
    """

    attribute: str
    target: str
    recall: Mapping[str, float | None]
    leak: float
    answer: str
    content: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)


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
        per_preference: one part for each cluster. What may be harm is always measured on the whole delta,
            now; recall and advice may be carried over, kind by kind, see `Tally.version`.
        problems: what is harmful or did not work, in words; empty for a good edit.
        violation: share of advice about what is avoided that recommends it; None where nothing is.
        build: what computed it (`models.build`); None in receipts of older versions.
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
    build: Mapping[str, str | int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Receipt:
        """What `as_dict` gave."""
        known: dict[str, Any] = {f.name: record.get(f.name) for f in fields(cls)}  # old ones lack some
        known["per_preference"] = tuple(_probed(p) for p in record["per_preference"])
        known["problems"] = tuple(record["problems"])
        return cls(**known)


def _probed(record: Mapping[str, Any]) -> Probed:
    tallies = {
        kind: Tally(**{**tally, "wrong": tuple(tally["wrong"])})
        for kind, tally in (record.get("tallies") or {}).items()  # old ones have none
    }
    return Probed(**{**record, "tallies": tallies})


def harm_of(receipt: Receipt, limits: Limits) -> tuple[str, ...]:
    """What of a receipt is beyond the limits, in words. That a preference is not said is no harm."""
    found = []
    for name, value, limit in (
        ("leak to questions about others", receipt.leak, limits.leak),
        ("crosstalk with other attributes", receipt.crosstalk, limits.crosstalk),
    ):
        if value > limit:
            found.append(f"{name} {value:.2f}, at most {limit:.2f} is allowed")
    return (*found, *drift_harm(receipt.drift_kl, receipt.top1, limits))


def drift_harm(kl: float, top1: float, limits: Limits) -> tuple[str, ...]:
    """What of the drift is beyond the limits, in words."""
    found = []
    if top1 < limits.top1:
        found.append(f"only {top1:.2f} of unrelated prompts begin as before, {limits.top1:.2f} is asked")
    if not kl <= limits.drift_kl:
        found.append(f"drift on unrelated prompts {kl:.3f} nats, at most {limits.drift_kl:.2f} is allowed")
    return tuple(found)
