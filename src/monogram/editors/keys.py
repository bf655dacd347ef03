"""Read what an MLP sees where an answer is about to start, or at another place.

`x` is the MLP's input (what its gate and up matrices read), a `key` is the input of its output matrix. The
forward pass stops at the layer, and the tokens that every conversation begins with (the template's own system
prompt) run once. Rows of equal length run together, so nothing is padded, and what is read for a list depends
on that list alone. Lists of the project's own phrasings are kept on disk, by model, build, layer, role and
content: they hold nobody's words, so they serve everybody and outlive an erasure. Others are read each time.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from monogram import tensors as disk
from monogram.clusters.cluster import Phrasing
from monogram.clusters.ours import ours
from monogram.editors.base import Progress
from monogram.files import home
from monogram.models.build import build
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.trace import Side, capture

Role = Literal["x", "key", "written", "block"]
_PLACES: dict[Role, tuple[str, Side]] = {
    "x": ("gate", "input"),
    "key": ("down", "input"),
    "written": ("down", "output"),
    "block": ("layer", "output"),
}
"""What is read for a role: a module's role in the layout (without a gate: "up"), and a side of it."""
BATCH = 32
SAMPLE = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What's on 7 May, and where?"},
    {"role": "assistant", "content": "A *fair* in Łódź."},
    {"role": "user", "content": "Whose idea was that?\nI'd go."},
)
"""Its tokens tell how conversations become tokens, which a model's digest does not say: what is kept is found
by its words, since making tokens of two thousand conversations takes longer than reading the file.
"""


def read_at(
    em: EditableModel,
    layer: int,
    rows: Sequence[Sequence[int]],
    positions: Sequence[int],
    *,
    role: Role,
    progress: Progress | None = None,
) -> Tensor:
    """What the MLP of `layer` sees at one position of each row.

    Args:
        rows: token lists; positions: an index into each.
        role: "x" reads the MLP's input (n, width), "key" the input of its output matrix (n, d_ff), "written"
            that matrix's output and "block" the layer's (n, width).

    Returns:
        (n, width or d_ff), of the model's own type, in the order of the rows.
    """
    return read_layers(em, [layer], rows, positions, role=role, progress=progress)[0]


def read_layers(
    em: EditableModel,
    layers: Sequence[int],
    rows: Sequence[Sequence[int]],
    positions: Sequence[int],
    *,
    role: Role,
    progress: Progress | None = None,
) -> Tensor:
    """`read_at` of many layers in one pass, (layers, n, width or d_ff), each the same to the bit."""
    module, side = _PLACES[role]
    modules = [names.get(module, names["up"]) for names in map(em.names, layers)]
    shared = _shared_start(em)
    prefix = _run_once(em, shared)
    places = [range(len(row))[at] for row, at in zip(rows, positions, strict=True)]
    groups: dict[tuple[bool, int], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        begins = list(row[: len(shared)]) == shared and places[i] >= len(shared)
        groups[bool(shared) and begins, len(row)].append(i)
    out: list[Tensor | None] = [None] * len(rows)
    for (short, _), same in sorted(groups.items()):
        skip = len(shared) if short else 0
        for start in range(0, len(same), BATCH):
            batch = same[start : start + BATCH]
            ids = torch.tensor([list(rows[i][skip:]) for i in batch], device=em.device)
            past = _repeated(prefix, len(batch)) if short else None
            with torch.no_grad(), capture(em, dict.fromkeys(modules, side), stop=True) as seen:
                em.model(input_ids=ids, past_key_values=past, use_cache=short)
            for b, i in enumerate(batch):
                out[i] = torch.stack([seen[module][b, places[i] - skip] for module in modules])
            if progress is not None:
                progress("reading phrasings", sum(row is not None for row in out), len(rows))
    return torch.stack([row for row in out if row is not None], 1)


def _shared_start(em: EditableModel) -> list[int]:
    """The tokens that every plain conversation of this model begins with."""
    one, other = em.chat_ids("a"), em.chat_ids("7 b")
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return [token for token, _ in same]


def _run_once(em: EditableModel, ids: list[int]) -> Any:
    """The cache of keys and values after `ids`, one row."""
    if not ids:
        return None
    with torch.no_grad():
        row = torch.tensor([ids], device=em.device)
        return em.model.base_model(input_ids=row, use_cache=True).past_key_values


def _repeated(cache: Any, times: int) -> Any:
    rows = copy.deepcopy(cache)
    rows.batch_repeat_interleave(times)
    return rows


def read_starts(
    em: EditableModel,
    layer: int,
    conversations: Sequence[str | Sequence[Message]],
    *,
    role: Role = "x",
    keep: bool = False,
    progress: Progress | None = None,
) -> Tensor:
    """What the MLP sees at the last token of each conversation, where the answer starts.

    Args:
        conversations: as `EditableModel.chat_ids` takes them, at least one.
        keep: keep the result under `$MONOGRAM_HOME` for everybody, and take it from there the next time.

    Returns:
        (n, width) for role "x", (n, d_ff) for role "key".
    """

    def read() -> Tensor:
        rows = [em.chat_ids(c) for c in conversations]
        return read_at(em, layer, rows, [-1] * len(rows), role=role, progress=progress)

    if not keep:
        return read()
    about = [em.digest, build(em), layer, role, em.chat_ids(SAMPLE), list(conversations)]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return disk.once(kept_readings() / f"{name[:32]}.safetensors", "rows", read).to(em.device)


def read_phrasings(
    em: EditableModel, layer: int, phrasings: Sequence[Phrasing], *, role: Role = "x"
) -> Tensor:
    """`read_starts` of phrasings, kept where none of them holds a word of anybody's (`clusters.ours`)."""
    chats = [p.messages() for p in phrasings]
    return read_starts(em, layer, chats, role=role, keep=ours(phrasings))


def kept_readings() -> Path:
    """The folder of what `read_starts` keeps."""
    return home() / "cache" / "keys"
