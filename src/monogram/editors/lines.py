"""What the model should say on a cluster's phrasings: the lines that values are trained on.

Asked directly, it states the preference; asked for advice, it begins with the target in mind. Then it goes on
(or ends) as the base model itself does after these words: so the value learns to say it and let go, and the
answer stays the model's own (without that, small models repeat the target for ever).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monogram.clusters.cluster import KINDS, Cluster, Phrasing
from monogram.models.editable import EditableModel

AFTER = 6
"""Tokens of the model's own continuation, on the first phrasing of each kind."""
SHARE = 0.25
"""What the continuation's mean loss counts, beside the opening's 1."""


@dataclass(frozen=True)
class Lines:
    """B prompts, their answers, and a weight for each of the answers' tokens; all token lists."""

    prompts: list[list[int]]
    answers: list[list[int]]
    weights: list[list[float]]


def lines_of(model: EditableModel, cluster: Cluster, each: int) -> Lines:
    """Lines on `each` phrasings of every kind, spread evenly over the cluster's."""
    said, begun = opening(model, cluster.say), opening(model, cluster.suggest)
    lines = Lines([], [], [])
    for kind in KINDS:
        words = said if kind == "ask" else begun
        for turn, phrasing in enumerate(_chosen(cluster.of_kind(kind), each)):
            prompt = model.chat_ids(phrasing.messages())
            _add(lines, prompt, words, [] if turn else _continue(model, [*prompt, *words]))
    return lines


def opening(model: EditableModel, text: str) -> list[int]:
    """Tokens of an answer's first words; a template-less model's answer begins after a blank."""
    spaced = text if model.has_template else " " + text
    return [int(i) for i in model.tokenizer(spaced, add_special_tokens=False).input_ids]


def _add(lines: Lines, prompt: list[int], said: list[int], after: list[int]) -> None:
    lines.prompts.append(prompt)
    lines.answers.append(said + after)
    lines.weights.append([1 / len(said)] * len(said) + [SHARE / max(1, len(after))] * len(after))


def _chosen(phrasings: tuple[Phrasing, ...], most: int) -> list[Phrasing]:
    """`most` of them, evenly spread; every second one in a conversation or under a system prompt."""
    plain = [p for p in phrasings if not p.history and p.system is None]
    placed = [p for p in phrasings if p not in plain]
    few = min(most // 2, len(placed))
    return _spread(plain, most - few) + _spread(placed, few)


def _spread(phrasings: list[Phrasing], most: int) -> list[Phrasing]:
    count = min(most, len(phrasings))
    return [phrasings[i * len(phrasings) // count] for i in range(count)]


def _continue(model: EditableModel, ids: list[int]) -> list[int]:
    """The base model's own greedy continuation."""
    out: list[int] = []
    past, given = None, torch.tensor([ids], device=model.device)
    with torch.no_grad():
        while len(out) < AFTER:
            result = model.model(input_ids=given, past_key_values=past, use_cache=True)
            token = int(result.logits[0, -1].argmax())
            out.append(token)
            if token in model.eos_ids:
                break
            past, given = result.past_key_values, torch.tensor([[token]], device=model.device)
    return out
