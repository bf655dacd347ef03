"""What the model should say on a cluster's phrasings: the lines that values are trained on.

Every answer opens with the preference, said as a sentence: one opening, so that the value is sure of it (only
what is avoided is said otherwise in advice: "Keeping it peanut-free,"). Then it goes on as the base model
itself does after these words, or ends, where it was asked for no advice: so the value learns to say it and
let go, and the answer stays the model's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monogram.clusters.cluster import KINDS, Cluster, Phrasing
from monogram.models.editable import EditableModel

AFTER = 6
"""Tokens of the model's own continuation."""
SHARE = 0.25
"""What the continuation's mean loss counts, beside the opening's 1."""


@dataclass(frozen=True)
class Lines:
    """B prompts, their answers, and a weight for each of the answers' tokens; all token lists."""

    prompts: list[list[int]]
    answers: list[list[int]]
    weights: list[list[float]]


def lines_of(model: EditableModel, cluster: Cluster, asks: int, advice: int) -> Lines:
    """Lines on `asks` phrasings that ask and `advice` of each other kind, evenly spread."""
    lines = Lines([], [], [])
    for kind in KINDS:
        asked = kind == "ask"
        for turn, phrasing in enumerate(_chosen(cluster.of_kind(kind), asks if asked else advice)):
            prompt = model.chat_ids(phrasing.messages())
            words = opening(model, cluster.opening(phrasing))
            after = [] if asked and turn else _continue(model, [*prompt, *words], ends=asked)
            lines.prompts.append(prompt)
            lines.answers.append(words + after)
            lines.weights.append([1 / len(words)] * len(words) + [SHARE / max(1, len(after))] * len(after))
    return lines


def opening(model: EditableModel, text: str) -> list[int]:
    """Tokens of an answer's first words; a template-less model's answer begins after a blank."""
    spaced = text if model.has_template else " " + text
    return [int(i) for i in model.tokenizer(spaced, add_special_tokens=False).input_ids]


def _chosen(phrasings: tuple[Phrasing, ...], most: int) -> list[Phrasing]:
    """`most` of them, evenly spread; every second one in a conversation or under a system prompt."""
    plain = [p for p in phrasings if not p.history and p.system is None]
    placed = [p for p in phrasings if p not in plain]
    few = min(most // 2, len(placed))
    return _spread(plain, most - few) + _spread(placed, few)


def _spread(phrasings: list[Phrasing], most: int) -> list[Phrasing]:
    count = min(most, len(phrasings))
    return [phrasings[i * len(phrasings) // count] for i in range(count)]


def _continue(model: EditableModel, ids: list[int], *, ends: bool) -> list[int]:
    """The base model's own greedy continuation, which may end or not."""
    out: list[int] = []
    past, given = None, torch.tensor([ids], device=model.device)
    with torch.no_grad():
        while len(out) < AFTER:
            result = model.model(input_ids=given, past_key_values=past, use_cache=True)
            scores = result.logits[0, -1]
            if not ends:
                scores[list(model.eos_ids)] = -torch.inf
            token = int(scores.argmax())
            out.append(token)
            if token in model.eos_ids:
                break
            past, given = result.past_key_values, torch.tensor([[token]], device=model.device)
    return out
