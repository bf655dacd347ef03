"""How the base model itself goes on after rows of tokens: greedy, all rows together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from monogram.models.editable import EditableModel
from monogram.models.pad import pad_left
from monogram.models.prefix import read_prefix


def going_on(
    em: EditableModel,
    rows: Sequence[Sequence[int]],
    most: int,
    *,
    may_end: Sequence[bool],
    begun: Sequence[Sequence[int]] | None = None,
    read: DynamicCache | None = None,
) -> list[list[int]]:
    """The next `most` tokens of each row.

    Args:
        rows: B token lists, none empty.
        may_end: for each row, whether the token that ends an answer may be chosen; it is then the last. Where
            it may not, a model without a template breaks no line either: there the next turn would begin.
        begun: what stands after each row already; nothing by default.
        read: the rows without their last tokens, from `read_prefix`. It is gone on with, for a copy would be
            large, and cut back. Of use where as much stands after each row: padding between would count in
            sliding windows.

    Returns:
        B token lists, of `most` tokens where the row has not ended.
    """
    if not rows:
        return []
    more = begun or [()] * len(rows)
    if len(set(map(len, more))) > 1:
        rows, more, read = (
            [[*row, *words] for row, words in zip(rows, more, strict=True)],
            [()] * len(rows),
            None,
        )
    before = [row[:-1] for row in rows]
    open_ended = torch.tensor([not may for may in may_end], device=em.device)
    barred = em.eos_ids if em.has_template else em.eos_ids | em.line_breaks
    ends = torch.tensor(sorted(barred), dtype=torch.long, device=em.device)
    said: list[list[int]] = [[] for _ in rows]
    with torch.no_grad():
        cache = read_prefix(em.model, before) if read is None else read
        start = cache.get_seq_length()
        mask = pad_left(before)[1].to(em.device)
        last = [[row[-1], *words] for row, words in zip(rows, more, strict=True)]
        ids = torch.tensor(last, device=em.device)
        try:
            for _ in range(most):
                positions = mask.sum(1, keepdim=True) + torch.arange(ids.shape[1], device=em.device)
                mask = torch.cat([mask, torch.ones_like(ids)], 1)
                scores = em.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                ).logits[:, -1]
                scores[:, ends] = scores[:, ends].masked_fill(open_ended[:, None], -torch.inf)
                ids = scores.argmax(-1, keepdim=True)
                for answer, token in zip(said, ids[:, 0].tolist(), strict=True):
                    if not answer or answer[-1] not in em.eos_ids:
                        answer.append(token)
        finally:
            if added := cache.get_seq_length() - start:
                cache.crop(-added)
    return said
