"""What one MLP sees in ordinary text: the ground that an edit must leave alone.

A key `k` is the input of the MLP's output matrix, `x` the MLP's own input. The text is the project's corpus
or a file; where it is too small for the model's width, the model's own answers extend it. The forward pass
stops at the layer. What was read is kept on disk by model, build, layer and corpus, as its last bits hang on
what computes; a damaged file is made anew.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from monogram import tensors as disk
from monogram.files import home as home_of
from monogram.models.build import build
from monogram.models.editable import EditableModel
from monogram.models.pad import pad_right
from monogram.models.texts import Row, corpus_rows, lines, own_rows, tokens
from monogram.models.trace import capture

Progress = Callable[[str, int, int], None]

FORMAT = 1
"""Goes up when the same corpus would give other moments."""
PER_NEURON = 10
"""Tokens per neuron that make second moments well conditioned (docs/methods.md §4)."""
PLENTY = 4
"""A corpus is read until it has given this many times the tokens that are needed."""
SAMPLES = 4096
BATCH = 2048
"""Tokens per batch, padding included."""


@dataclass(frozen=True)
class Samples:
    """What the MLP of one layer reads in ordinary text. On the CPU.

    Attributes:
        layer: of the MLP, 0-based.
        inputs: (n, width) float32, n <= 4096: x at evenly spaced positions where no answer starts.
        starts: (m, width) float32: x where an answer starts, at the last token before it.
    """

    layer: int
    inputs: Tensor
    starts: Tensor


@dataclass(frozen=True)
class Moments(Samples):
    """The same with what its neurons do there. On the CPU.

    Attributes:
        tokens: how many positions were read.
        second: (d_ff, d_ff) float64, the mean of k kᵀ over all positions.
        activity: (d_ff,) float64, the mean of |k|.
    """

    tokens: int
    second: Tensor
    activity: Tensor


def moments(
    em: EditableModel,
    layer: int,
    *,
    corpus: Path | None = None,
    home: Path | None = None,
    least: int | None = None,
    progress: Progress | None = None,
) -> Moments:
    """Read the moments of a layer, or take them from the disk.

    Args:
        em: the model.
        layer: 0-based.
        corpus: a `.jsonl` file with a list of messages on each line, or plain text with blank lines between
            paragraphs; the project's own conversations by default.
        home: where the cache is; `$MONOGRAM_HOME` by default.
        least: tokens that are needed, 10 per neuron by default. A larger corpus is read until it has given
            four times as many; a smaller one is extended by the model's own answers, 1,000 at most, of at
            most 128 tokens each. `Moments.tokens` says what came of it.
        progress: called with (what, done, total).

    Raises:
        LayerError: the layer is not there.
        InputError: the corpus is not there, or not what it should be.
        DiskFullError: no room for the cache; nothing is left behind.
    """
    em.names(layer)
    least = PER_NEURON * em.inner if least is None else least
    rows = corpus_rows(em, corpus, PLENTY * least)
    own = _own(rows, least)
    known = [FORMAT, build(em), least, own, [[row.ids, row.starts, row.repeated] for row in rows]]
    digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()
    path = home_of(home) / "cache" / "moments" / f"{em.digest[:16]}-{layer}-{digest[:16]}.safetensors"
    found = _load(path, layer)
    if found is None:
        if own:
            rows += own_rows(em, least - tokens(rows), progress)
        found = _saved(_read(em, layer, rows, progress), path)
    return found


def samples(em: EditableModel, layers: Sequence[int], *, progress: Progress | None = None) -> list[Samples]:
    """The samples that `moments` takes of the project's own corpus, to the bit, of many layers in one pass;
    nothing is kept. Raises as `moments`.
    """
    least = PER_NEURON * em.inner
    rows = corpus_rows(em, None, PLENTY * least)
    if _own(rows, least):
        rows += own_rows(em, least - tokens(rows), progress)
    into = {layer: _into(em, layer) for layer in layers}
    taken: dict[int, _Taken] = {layer: _Taken(rows) for layer in layers}
    for batch, _, seen in _passes(em, rows, list(into.values()), progress):
        for layer, module in into.items():
            taken[layer].take(batch, seen[module])
    return [Samples(layer, *some.all()) for layer, some in taken.items()]


def _own(rows: Sequence[Row], least: int) -> list[list[str]]:
    """What the model answers to extend a corpus that is too small; nothing where it is not."""
    return [lines("prompts.txt"), lines("systems.txt")] if tokens(rows) < least else []


def _into(em: EditableModel, layer: int) -> str:
    """The module whose input is x."""
    names = em.names(layer)
    return names.get("gate", names["up"])


class _Taken:
    """Samples of x, row by row."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.places = _samples(rows)
        self.inputs: dict[int, Tensor] = {}
        self.starts: dict[int, Tensor] = {}

    def take(self, batch: Sequence[int], x: Tensor) -> None:
        """Those of a batch: numbers of rows, x (B, T, width)."""
        for b, i in enumerate(batch):
            self.inputs[i] = x[b, self.places[i]].float().cpu()
            self.starts[i] = x[b, list(self.rows[i].starts)].float().cpu()

    def all(self) -> tuple[Tensor, Tensor]:
        """Inputs and starts, in the order of the rows."""
        inputs, starts = ([some[i] for i in range(len(self.rows))] for some in (self.inputs, self.starts))
        return torch.cat(inputs), torch.cat(starts)


def _passes(
    em: EditableModel, rows: Sequence[Row], modules: Sequence[str], progress: Progress | None
) -> Iterator[tuple[list[int], Tensor, dict[str, Tensor]]]:
    """Run the rows: (numbers of a batch's rows, which positions count (B, T), the modules' inputs)."""
    done, total = 0, sum(len(row.ids) for row in rows)
    for batch in _batches(rows):
        ids, mask = pad_right([rows[i].ids for i in batch], rows[batch[0]].ids[0])  # unseen: all is causal
        with torch.no_grad(), capture(em, dict.fromkeys(modules, "input"), stop=True) as seen:
            em.model.base_model(input_ids=ids.to(em.device), use_cache=False)
        for b, i in enumerate(batch):
            if rows[i].repeated:
                mask[b] = 0
        yield batch, mask, seen
        done += sum(len(rows[i].ids) for i in batch)
        if progress is not None:
            progress("reading ordinary text", done, total)


def _read(em: EditableModel, layer: int, rows: Sequence[Row], progress: Progress | None) -> Moments:
    down, into = em.names(layer)["down"], _into(em, layer)
    second = torch.zeros(em.inner, em.inner, dtype=torch.float64, device=em.device)
    activity = torch.zeros(em.inner, dtype=torch.float64, device=em.device)
    taken = _Taken(rows)
    for batch, mask, seen in _passes(em, rows, [into, down], progress):
        taken.take(batch, seen[into])
        keys = seen[down][mask.bool().to(em.device)].double()  # (n, d_ff)
        second += keys.T @ keys
        activity += keys.abs().sum(0)
    count = tokens(rows)
    return Moments(layer, *taken.all(), count, (second / count).cpu(), (activity / count).cpu())


def _samples(rows: Sequence[Row]) -> list[list[int]]:
    """For each row, which of its positions are sampled: evenly spaced over all that are no answer's start."""
    free = [[] if row.repeated else sorted(set(range(len(row.ids))) - set(row.starts)) for row in rows]
    ends = list(accumulate(map(len, free)))
    n = min(SAMPLES, ends[-1])
    chosen: list[list[int]] = [[] for _ in rows]
    for flat in (j * ends[-1] // n for j in range(n)):
        i = bisect_right(ends, flat)
        chosen[i].append(free[i][flat - ends[i]])
    return chosen


def _batches(rows: Sequence[Row]) -> list[list[int]]:
    """Rows of like length together, the longest first."""
    batches: list[list[int]] = []
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i].ids), reverse=True):
        if not batches or (len(batches[-1]) + 1) * len(rows[batches[-1][0]].ids) > BATCH:
            batches.append([])
        batches[-1].append(i)
    return batches


def _load(path: Path, layer: int) -> Moments | None:
    """What is on the disk, if it is there and whole."""
    found = disk.load(path)
    try:
        return None if found is None else Moments(layer, tokens=int(found[1]["tokens"]), **found[0])
    except (LookupError, TypeError, ValueError):
        return None


def _saved(found: Moments, path: Path) -> Moments:
    """The same as it will be when it is read back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {name: disk.own(getattr(found, name)) for name in ("second", "activity", "inputs", "starts")}
    disk.save(path, parts, {"tokens": str(found.tokens), "layer": str(found.layer)})
    return Moments(found.layer, tokens=found.tokens, **parts)
