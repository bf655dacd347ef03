"""Keys and values of prompts, read once: what comes before the place where an edit acts.

Tokens that many prompts begin with (a default system prompt, examples) run once for all of these. The rest
runs in groups of prompts of like length, so that one long conversation pads nobody else's.

No row of any attention mask is ever empty: short rows are padded on the right while they run, where causality
alone keeps padding out of sight, and their keys are moved flush right afterwards. (An empty row is NaN under
eager attention in float64, and 0 * NaN spreads.)
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from monogram.models.pad import pad_right

WORTH_SHARING = 64
"""Tokens that a common start must save before it gets a pass of its own."""
HEAD = 16
"""Rows that begin with the same so many tokens may share a start."""
ALIKE, SLACK = 1.25, 8
"""Rows run together while the longest has at most so many times the tokens of the shortest plus so many."""


def read_prefix(hf: Any, rows: Sequence[Sequence[int]]) -> DynamicCache:
    """Keys and values of every layer for the rows, flush right; all of them, in sliding layers too.

    Args:
        hf: a causal LM of `transformers`.
        rows: B token lists, which may be empty.

    Returns:
        A cache of B rows, as wide as the longest; what stands left of a shorter one is not its own.
    """
    device = next(hf.parameters()).device
    width = max(map(len, rows), default=0)
    parts, order = list[DynamicCache](), list[int]()
    for family in families(rows):
        common = common_start([rows[b] for b in family])
        start = DynamicCache()  # made without the model's config, it forgets nothing
        if common:
            _extend(hf, start, torch.tensor([list(rows[family[0]][:common])], device=device))
        for group in alike([len(rows[b]) - common for b in family]):
            members = [family[place] for place in group]
            parts.append(_read(hf, copied(start, len(members)), [rows[b][common:] for b in members]))
            order += members
    cache, places = parts[0], torch.tensor(order).argsort().to(device)
    for layer, *others in zip(*(cast(list[DynamicLayer], part.layers) for part in parts), strict=True):
        every = [layer, *others]
        layer.keys = torch.cat([_widened(one.keys, width) for one in every])[places]
        layer.values = torch.cat([_widened(one.values, width) for one in every])[places]
        for one in others:
            one.keys = one.values = None  # as soon as it stands in the whole, for all are large
    return cache


def families(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of rows with a start in common that is worth a pass of its own; the last family is the rest."""
    heads: dict[tuple[int, ...], list[int]] = {}
    for b, row in enumerate(rows):
        heads.setdefault(tuple(row[:HEAD]), []).append(b)
    worth = [family for family in heads.values() if common_start([rows[b] for b in family])]
    left = sorted(set(range(len(rows))).difference(*worth))
    if not all(rows[b] for b in left):
        return [list(range(len(rows)))]  # rows without a token can't run alone
    return [*worth, left] if left else worth


def _read(hf: Any, cache: DynamicCache, rows: Sequence[Sequence[int]]) -> DynamicCache:
    """The cache of what comes before, gone on with the rows, flush right."""
    before, device = cache.get_seq_length(), next(hf.parameters()).device
    ids, live = pad_right(rows)
    if not ids.shape[1]:
        return cache
    _extend(hf, cache, ids.to(device))
    lengths, width = before + live.sum(1, keepdim=True), before + ids.shape[1]
    if int(lengths.min()) < width:
        source = (torch.arange(width) - (width - lengths)).clamp(min=0).to(device)
        for layer in cast(list[DynamicLayer], cache.layers):
            layer.keys, layer.values = _gathered(layer.keys, source), _gathered(layer.values, source)
    return cache


def _extend(hf: Any, cache: DynamicCache, ids: Tensor) -> None:
    """Run tokens through the whole model, for their keys and values."""
    hf.base_model(input_ids=ids, past_key_values=cache, use_cache=True)


def copied(cache: DynamicCache, times: int = 1) -> DynamicCache:
    """A cache with each row so many times over; appending to it leaves the first one as it is."""
    fresh = copy.copy(cache)
    fresh.layers = [copy.copy(layer) for layer in cache.layers]
    if times > 1:
        fresh.batch_repeat_interleave(times)
    return fresh


def picked(cache: DynamicCache, rows: Sequence[int], width: int) -> DynamicCache:
    """Some of the rows of a cache from `read_prefix`, and of these the last `width` places."""
    fresh, places = copied(cache), torch.tensor(list(rows))
    for layer in cast(list[DynamicLayer], fresh.layers):
        keys, values = cast(Tensor, layer.keys), cast(Tensor, layer.values)
        begin = keys.shape[2] - width
        layer.keys, layer.values = keys[places, :, begin:], values[places, :, begin:]
    return fresh


def lightened(cache: DynamicCache, below: int) -> DynamicCache:
    """The same for those that run the layers from `below` up alone: of the others just how long they are."""
    fresh = copied(cache)
    for layer in cast(list[DynamicLayer], fresh.layers[:below]):
        layer.keys = layer.values = cast(Tensor, layer.keys)[:1, :1, :, :1].clone()
    return fresh


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of rows in groups of like length, the shortest first."""
    groups: list[list[int]] = []
    for b in sorted(range(len(lengths)), key=lengths.__getitem__):
        near = groups and lengths[b] <= ALIKE * lengths[groups[-1][0]] + SLACK
        if near or (groups and not lengths[groups[-1][-1]]):  # rows without a token can't run alone
            groups[-1].append(b)
        else:
            groups.append([b])
    return groups


def common_start(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with; 0 where too little is saved by running them apart."""
    common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False)))
    return common if common * (len(rows) - 1) >= WORTH_SHARING else 0


def _gathered(states: Any, source: Tensor) -> Any:
    """(B, H, L, D) with place j of row b taken from place source[b, j]."""
    return states.gather(2, source[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3]))


def _widened(states: Any, width: int) -> Tensor:
    """(B, H, L, D) to (B, H, width, D), with room on the left."""
    return pad(states, (0, 0, width - states.shape[2], 0))
