"""What stands for a person, for others: an adapter, a file for llama.cpp, a folder for Ollama, a whole model.

A merged model is what its weights say, and they are rounded: so the receipt is run again on the model that
was written, read back from the disk, and kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from monogram import peft_folder
from monogram.clusters.expand import expand_all
from monogram.delta import Delta, save_adapter
from monogram.drift import drift
from monogram.errors import InputError, unknown
from monogram.keeping import Keeping
from monogram.models.editable import EditableModel
from monogram.models.gguf_base import base_gguf
from monogram.models.gguf_lora import ADAPTER, save_gguf
from monogram.models.gguf_lora import metadata as gguf_metadata
from monogram.models.ollama import save_ollama
from monogram.models.reading import read
from monogram.models.whole import base_name, save_merged
from monogram.probing import probe
from monogram.receipt import Limits

FORMATS = ("peft", "gguf", "ollama", "merged")
SERVED = 512
"""The highest rank of an adapter that engines take (vLLM's largest)."""
RECEIPT = "receipt.json"
FIGURES = ("recall", "advice", "leak", "crosstalk", "top1", "drift_kl")
"""What of a receipt is told of a merged model."""


def export(
    keeping: Keeping, folder: Path, to: str, *, rank: int, base: Path | None = None, home: Path | None = None
) -> Path:
    """Write what stands for a person to a folder; `Person.export` says what the arguments are.

    Args:
        home: where the base model's GGUF is kept, instead of `$MONOGRAM_HOME`.
    """
    if to not in FORMATS:
        raise unknown("export format", to, FORMATS)
    if base is not None and to != "ollama":
        raise InputError(f"A base model's file is for ollama, not for {to}. Leave it out.")
    if not keeping.store.ledger.present(keeping.user):
        raise InputError(f"There is nothing to export: {keeping.user!r} has no preferences.")
    model, delta = keeping.model, keeping.delta()
    if to == "merged":
        save_merged(model, delta, folder, then=lambda work: _again(keeping, delta, work))
        return folder
    small, lost = delta.cut(rank)
    cut = {"cut_from": str(delta.rank), "cut_error": f"{lost:.4g}"} if lost else None
    if to == "peft":
        save_adapter(
            small,
            folder,
            base_name=base_name(model),
            base_digest=model.digest,
            fan_in_fan_out=model.layout.conv1d,
            metadata=cut,
        )
    elif to == "gguf":
        save_gguf(model, small, folder, about=cut)
    else:
        file = base_gguf(model, given=base, home=home, progress=keeping.progress)
        save_ollama(model, small, file, folder, about=cut)
    return folder


def told(folder: Path, to: str) -> dict[str, Any]:
    """What is to be said of an export that was just written: of an adapter that was cut, `cut_from` and
    `cut_error`; of a merged model `measured`, `before` and `problems`.
    """
    if to == "merged":
        found: dict[str, Any] = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        return found
    kept = peft_folder.metadata(folder) if to == "peft" else gguf_metadata(folder / ADAPTER)
    return {key: value for key, value in kept.items() if key.startswith("cut_")}


def _again(keeping: Keeping, delta: Delta, folder: Path) -> None:
    """Run the receipt on the merged model in a folder, and write it there."""
    merged = EditableModel.wrap(*read(folder, name=str(folder)), name=str(folder))
    held = keeping.store.ledger.present(keeping.user)
    clusters = expand_all(sorted(held, key=lambda p: p.digest))
    receipt, _ = probe(
        merged,
        clusters,
        Delta.zero(),
        {},
        limits=Limits(),
        drifted=drift(merged, Delta.zero(), base=keeping.model),
        base=keeping.model,
        progress=keeping.progress,
    )
    version = keeping.store.ledger.version(keeping.user, keeping.model.digest)
    before = (version.receipt if version is not None else None) or {}
    now = replace(receipt, rank=delta.rank, nbytes=delta.nbytes).as_dict()
    record = {
        "measured": {name: now[name] for name in FIGURES},
        "before": {name: before.get(name) for name in FIGURES},
        "problems": [*_fallen(before, now, str(keeping.model.dtype)), *receipt.problems],
        "delta_digest": delta.digest,
    }
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / RECEIPT).write_text(text, encoding="utf-8")


def _fallen(before: Mapping[str, Any], now: Mapping[str, Any], dtype: str) -> list[str]:
    """In words, what the adapter recalled and the merged model does not."""
    kind = dtype.removeprefix("torch.")
    return [
        f"{name} {now[name] or 0.0:.2f}, with the adapter {before[name]:.2f}: the weights are {kind}"
        for name in ("recall", "advice")
        if before.get(name) is not None and (now[name] or 0.0) < before[name] - 1e-9
    ]
