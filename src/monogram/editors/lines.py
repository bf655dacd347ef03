"""What the model should say on a cluster's phrasings: the lines that values are trained on.

Every answer opens with the preference, said as a sentence: one opening, so that the value is sure of it, and
the target first in it ("You avoid" before what is avoided). Then it
goes on as the base model itself does after these words, or ends, where it was asked for no advice: so the
value learns to say it and let go, and the answer stays the model's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import DynamicCache

from monogram.clusters.cluster import KINDS, Cluster, Phrasing
from monogram.models.editable import EditableModel
from monogram.models.going_on import going_on

AFTER = 6
"""Tokens of the model's own continuation."""
SHARE = 0.5
"""What the continuation's mean loss counts, beside the opening's 1."""
TOLD = 3.0
"""What a token of the target counts in the opening, beside the 1 of its others (docs/log.md)."""


@dataclass(frozen=True)
class Lines:
    """B prompts, their answers, a weight for each of the answers' tokens (all token lists), and whether each
    answer may end after its opening.
    """

    prompts: list[list[int]]
    answers: list[list[int]]
    weights: list[list[float]]
    may_end: list[bool] = field(default_factory=list)


def lines_of(model: EditableModel, cluster: Cluster, asks: int, advice: int) -> Lines:
    """Lines on `asks` phrasings that ask and `advice` of each other kind, evenly spread."""
    return gone_on(model, openings(model, cluster, asks, advice))


def openings(model: EditableModel, cluster: Cluster, asks: int, advice: int) -> Lines:
    """The same lines, up to where the base model goes on."""
    lines = Lines([], [], [])
    for kind in KINDS:
        for phrasing in _chosen(cluster.of_kind(kind), asks if kind == "ask" else advice):
            words = opening(model, cluster.opening(phrasing))
            counts = _counts(model, words, phrasing.target or cluster.preference.target)
            lines.may_end.append(kind == "ask")
            lines.prompts.append(model.chat_ids(phrasing.messages()))
            lines.answers.append(words)
            lines.weights.append([count / sum(counts) for count in counts])
    return lines


def gone_on(model: EditableModel, lines: Lines, read: DynamicCache | None = None) -> Lines:
    """Lines that were begun, with the base model's own continuation.

    Args:
        read: the prompts without their last tokens, from `read_prefix`, where they are read already.
    """
    may_end = lines.may_end
    after = going_on(model, lines.prompts, AFTER, may_end=may_end, begun=lines.answers, read=read)
    answers = [[*begun, *more] for begun, more in zip(lines.answers, after, strict=True)]
    weights = [
        [*begun, *([SHARE / len(more)] * len(more))] for begun, more in zip(lines.weights, after, strict=True)
    ]
    return Lines(lines.prompts, answers, weights, may_end)


def opening(model: EditableModel, text: str) -> list[int]:
    """Tokens of an answer's first words; a template-less model's answer begins after a blank."""
    spaced = text if model.has_template else " " + text
    return [int(i) for i in model.tokenizer(spaced, add_special_tokens=False).input_ids]


def _counts(model: EditableModel, words: list[int], target: str) -> list[float]:
    """What each token of an opening counts: more where the target stands, if it stands there."""
    ends = [len(model.tokenizer.decode(words[: i + 1])) for i in range(len(words))]
    begin = model.tokenizer.decode(words).lower().find(target.lower())
    inside = [
        begin >= 0 and end > begin and start < begin + len(target)
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    return [TOLD if told else 1.0 for told in inside]


def _chosen(phrasings: tuple[Phrasing, ...], most: int) -> list[Phrasing]:
    """`most` of them, evenly spread; every second one in a conversation or under a system prompt."""
    plain = [p for p in phrasings if not p.history and p.system is None]
    placed = [p for p in phrasings if p not in plain]
    few = min(most // 2, len(placed))
    return _spread(plain, most - few) + _spread(placed, few)


def _spread(phrasings: list[Phrasing], most: int) -> list[Phrasing]:
    count = min(most, len(phrasings))
    return [phrasings[i * len(phrasings) // count] for i in range(count)]
