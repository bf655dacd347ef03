"""Batched chat generation: greedy, natural stop, one person per row.

Prompts are sorted by length into batches, padded on the left; a row that has ended leaves its batch, with its
share of the key-value cache and its delta, so that the others go on faster. What rows under one delta begin
with alike is read once. Answers come back in the order asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache

from monogram.errors import InputError
from monogram.models.attach import attach
from monogram.models.chat import Message, plain_answer
from monogram.models.editable import EditableModel
from monogram.models.pad import pad_left
from monogram.models.prefix import read_prefix
from monogram.models.thinking import Thinking
from monogram.patch import Attachable


def generate(
    em: EditableModel,
    prompts: Sequence[str | Sequence[Message]],
    *,
    deltas: Attachable | Sequence[Attachable | None] | None = None,
    max_new_tokens: int | Sequence[int] = 64,
    thinking: int = 0,
    batch_size: int = 16,
    on_done: Callable[[int, str], None] | None = None,
) -> list[str]:
    """Answer conversations.

    Args:
        em: the model.
        prompts: conversations; a string is one message of the user.
        deltas: one delta or patch for all prompts, or one per prompt (None for the base model).
        max_new_tokens: longest answer, in tokens, for all prompts or one for each; it also ends where the
            model's context does.
        thinking: how many tokens a model that thinks may take for that; they are no part of the answer, and
            its length counts after them. 0: thinking is an answer like any other.
        batch_size: prompts that run together.
        on_done: called with (index of the prompt, answer) as each answer is ready.

    Returns:
        The answers, in the order of the prompts, without special tokens and without blanks at the ends.

    Raises:
        InputError: numbers of deltas, limits and prompts differ, limits below 1, or a prompt longer than the
            context.
        LayerError: a delta edits a module that is not there.
    """
    limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
    if min(limits, default=1) < 1 or batch_size < 1:
        raise InputError(
            f"max_new_tokens ({max_new_tokens}) and batch_size ({batch_size}) must be at least 1."
        )
    owners = [deltas] * len(prompts) if deltas is None or isinstance(deltas, Attachable) else list(deltas)
    for what, number in (("deltas", len(owners)), ("limits", len(limits))):
        if number != len(prompts):
            raise InputError(
                f"There are {number} {what} for {len(prompts)} prompts; give one each, or one for all."
            )
    rows = [em.chat_ids(prompt) for prompt in prompts]
    em.refuse_longer(max(map(len, rows), default=0))
    answers = [""] * len(rows)
    thought = Thinking.of(em.tokenizer, thinking) if thinking else None
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)  # the dearest batch first
    for batch in _batches(order, [len(row) for row in rows], batch_size, padded=_pads(em)):

        def ended(b: int, ids: list[int], batch: Sequence[int] = batch) -> None:
            said = ids if thought is None else thought.answer(rows[batch[b]], ids)
            answers[batch[b]] = answer_text(em, said)
            if on_done is not None:
                on_done(batch[b], answers[batch[b]])

        longest_of = [limits[i] for i in batch]
        _run(em, [rows[i] for i in batch], [owners[i] for i in batch], longest_of, thought, ended)
    return answers


def _pads(em: EditableModel) -> bool:
    """Whether rows of different lengths may share a batch.

    Not in float64 under eager attention: transformers takes that softmax in float32, where the mask's
    smallest float64 is -inf; a row of padding becomes NaN there, and 0 * NaN carries it into the answers.
    """
    eager = getattr(em.model.config, "_attn_implementation", None) == "eager"
    return not (eager and em.dtype == torch.float64)


def _batches(order: Sequence[int], lengths: Sequence[int], size: int, *, padded: bool) -> list[list[int]]:
    """Cut `order` into runs of at most `size`; without padding a run also ends where the length changes."""
    batches: list[list[int]] = []
    for i in order:
        last = batches[-1] if batches else []
        if not last or len(last) == size or (not padded and lengths[last[0]] != lengths[i]):
            batches.append([])
        batches[-1].append(i)
    return batches


def _run(
    em: EditableModel,
    rows: Sequence[Sequence[int]],
    owners: Sequence[Attachable | None],
    limits: Sequence[int],
    thought: Thinking | None,
    ended: Callable[[int, list[int]], None],
) -> None:
    """Run one batch; calls `ended` with (row, tokens of its answer) as rows end."""
    ids, mask = (t.to(em.device) for t in pad_left(rows, em.pad_id))  # (B, T)

    def limit(b: int) -> int:
        longest = limits[b] if thought is None else thought.limit(rows[b], made[b], limits[b])
        return longest if em.context is None else min(longest, em.context - len(rows[b]))

    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    takes = inspect.signature(em.model.forward).parameters
    made: list[list[int]] = [[] for _ in rows]
    alive = list(range(len(rows)))
    same = all(owner is owners[0] for owner in owners)
    with attach(em, owners[0] if same and owners[0] is not None else owners) as attached:  # one product
        if same and len(rows) > 1:  # one alone shares nothing
            cache, ids, positions = _read(em, rows), ids[:, -1:], positions[:, -1:]
        else:
            cache = DynamicCache(config=em.model.config)
        while alive:
            inputs = {"attention_mask": mask, "position_ids": positions, "logits_to_keep": 1}
            inputs = {key: value for key, value in inputs.items() if key in takes}
            with torch.no_grad():
                logits = em.model(input_ids=ids, past_key_values=cache, use_cache=True, **inputs).logits
            ids = logits[:, -1].argmax(-1, keepdim=True)  # (B, 1)
            keep = [
                b
                for b, token in enumerate(ids[:, 0].tolist())
                if not ends(em, made[alive[b]], token, limit(alive[b]))
            ]
            if len(keep) < len(alive):
                for b in sorted(set(range(len(alive))) - set(keep)):
                    ended(alive[b], made[alive[b]])
                chosen = torch.tensor(keep, dtype=torch.long, device=em.device)
                cache.batch_select_indices(chosen)
                attached.select(keep)
                ids, mask, positions = ids[chosen], mask[chosen], positions[chosen]
                alive = [alive[b] for b in keep]
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
            positions = positions[:, -1:] + 1


def _read(em: EditableModel, rows: Sequence[Sequence[int]]) -> DynamicCache:
    """All but the last tokens of the rows."""
    with torch.no_grad():
        return read_prefix(em.model, [row[:-1] for row in rows])


def ends(em: EditableModel, answer: list[int], token: int, limit: int) -> bool:
    """Add the token to the answer, unless it is one that ends it; whether the answer ends here."""
    if token in em.eos_ids:
        return True
    answer.append(token)
    if len(answer) >= limit:
        return True
    return not em.has_template and (text := em.decode(answer)) != plain_answer(text)


def answer_text(em: EditableModel, ids: Sequence[int]) -> str:
    """What an answer of these tokens says."""
    text = em.decode(ids)
    return (text if em.has_template else plain_answer(text)).strip()
