"""A low-rank change of weights on disk, as a plain PEFT LoRA folder.

    adapter_config.json           PEFT's own; r = lora_alpha, so the scale is 1
    adapter_model.safetensors     base_model.model.<module>.lora_A.weight (r, d_in), lora_B.weight (d_out, r)
    monogram.json                 the record: size and sha256 of the weights, true ranks, digests, metadata

Sealed (`seal`), the weights are nobody's but the key's owner's; the rest is as it is. A folder is written
whole or not at all. PEFT and the engines that read its format ignore monogram.json; a
folder without it (made by somebody else) can be read too, but not verified.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from monogram.errors import AdapterFileError, SealedError, StoreError
from monogram.files import aside
from monogram.lowrank import LowRank
from monogram.seal import Seal, is_sealed

CONFIG, WEIGHTS, RECORD = "adapter_config.json", "adapter_model.safetensors", "monogram.json"
FORMAT = 1
_PREFIX = "base_model.model."
_IN_LAYER = re.compile(r"(?P<stack>.*?\.(?P<list>[^.]+))\.(?P<layer>\d+)\.(?P<rest>.+)")


@dataclass(frozen=True)
class Adapter:
    """What a folder holds."""

    factors: dict[str, LowRank]
    base_name: str
    record: dict[str, Any] | None
    """monogram.json, or None in a folder that is not ours."""


def write(
    folder: Path,
    factors: Mapping[str, LowRank],
    *,
    base_name: str,
    fan_in_fan_out: bool,
    record: Mapping[str, Any],
    seal: Seal | None = None,
) -> None:
    """Write the folder; `delta.save_adapter` says what the arguments are.

    Raises:
        AdapterFileError: the folder holds something else, or cannot be written.
        DiskFullError: no room; nothing is left behind.
    """
    if folder.exists() and not (
        folder.is_dir() and ((folder / CONFIG).exists() or not any(folder.iterdir()))
    ):
        raise AdapterFileError(
            f"{folder} is there and is no adapter. Choose another folder; nothing was written."
        )
    rank = max((f.rank for f in factors.values()), default=0) or 1
    tensors: dict[str, Tensor] = {}
    for name, factor in factors.items():
        wide = factor.padded(rank)
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = wide.right.detach().cpu().contiguous()
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = wide.left.detach().cpu().contiguous()
    weights = write_tensors(tensors, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": fan_in_fan_out,
        "inference_mode": True,
        **targets(factors),
    }
    whole = {
        **record,
        "format": FORMAT,
        "weights_bytes": len(weights),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "ranks": {name: f.rank for name, f in factors.items()},
    }
    try:
        with aside(folder, replace=True) as work:
            (work / CONFIG).write_text(_json(config), encoding="utf-8")
            (work / WEIGHTS).write_bytes(weights if seal is None else seal.close(weights, _place(folder)))
            (work / RECORD).write_text(_json(whole), encoding="utf-8")
    except OSError as error:
        raise AdapterFileError(f"The adapter could not be written to {folder}: {error}") from error


def read(folder: Path, *, seal: Seal | None = None) -> Adapter:
    """Read and verify a folder. Zero padding that `write` added is taken off again.

    Args:
        seal: what opens weights that are sealed.

    Raises:
        AdapterFileError: missing, truncated or changed files, or a kind of adapter that is no plain LoRA.
    """
    config = _record(folder / CONFIG)
    record = _record(folder / RECORD) if (folder / RECORD).exists() else None
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise AdapterFileError(
            f"{folder / WEIGHTS} cannot be read: {error.strerror}. Export it again."
        ) from error
    if is_sealed(weights):
        weights = _opened(folder, weights, seal)
    if record is not None:
        _check_bytes(folder, weights, record)
    factors = _factors(folder, config, weights)
    if record is not None:
        ranks = record.get("ranks")
        if not isinstance(ranks, dict) or set(ranks) != set(factors):
            raise AdapterFileError(
                f"{folder / RECORD} speaks of other modules than {WEIGHTS}. Export it again."
            )
        if not all(type(rank) is int and rank >= 0 for rank in ranks.values()):
            raise AdapterFileError(f"{folder / RECORD} has ranks that are no numbers. Export it again.")
        factors = {n: LowRank(f.left[:, : ranks[n]], f.right[: ranks[n]]) for n, f in factors.items()}
    return Adapter(factors, str(config.get("base_model_name_or_path")), record)


def metadata(folder: Path) -> dict[str, str]:
    """What was kept with an adapter's weights; nothing where it is not ours.

    Raises:
        AdapterFileError: monogram.json is damaged.
    """
    told = _record(folder / RECORD).get("metadata") if (folder / RECORD).exists() else None
    return dict(told) if isinstance(told, dict) else {}


def targets(names: Iterable[str]) -> dict[str, Any]:
    """PEFT's settings for these modules: leaves and layers where these are exact, else full names."""
    names = sorted(names)
    parts = [m for name in names if (m := _IN_LAYER.fullmatch(name))]
    layers = sorted({int(m["layer"]) for m in parts})
    rests = {m["rest"] for m in parts}
    leaves = sorted({_leaf(rest) for rest in rests})
    one_stack = len({m["stack"] for m in parts}) == 1 and len(parts) == len(names)
    if not one_stack or len(leaves) != len(rests) or len(names) != len(layers) * len(rests):
        return {"target_modules": names}
    return {"target_modules": leaves, "layers_to_transform": layers, "layers_pattern": parts[0]["list"]}


def _leaf(path: str) -> str:
    """The last name of a module's path; with its parent where attention has one of that name too (GPT-2)."""
    names = path.split(".")
    return ".".join(names[-2:]) if names[-1] in ("c_proj", "dense") else names[-1]


def _factors(folder: Path, config: Mapping[str, Any], weights: bytes) -> dict[str, LowRank]:
    odd = [
        k
        for k in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "lora_bias")
        if config.get(k)
    ]
    if config.get("peft_type") != "LORA" or odd:
        what = f"of type {config.get('peft_type')!r}" if not odd else f"with {', '.join(odd)}"
        raise AdapterFileError(f"The adapter in {folder} is {what}; plain LoRA is what can be read.")
    try:
        rank, alpha = float(config["r"]), float(config["lora_alpha"])
        scale = alpha / (rank**0.5 if config.get("use_rslora") else rank)
        tensors = read_tensors(weights)
        factors: dict[str, LowRank] = {}
        for key in sorted(tensors):
            name, _, side = key.removeprefix(_PREFIX).rpartition(".lora_")
            if not name or side not in ("A.weight", "B.weight"):
                raise AdapterFileError(f"{folder / WEIGHTS} holds '{key}', which is no part of a plain LoRA.")
            if side == "A.weight":
                left = tensors[key.removesuffix("A.weight") + "B.weight"]
                factors[name] = LowRank(left if scale == 1.0 else left * scale, tensors[key])
    except AdapterFileError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise AdapterFileError(f"The adapter in {folder} is broken: {error}. Export it again.") from error
    if len(tensors) != 2 * len(factors):
        raise AdapterFileError(f"{folder / WEIGHTS} has a lora_B without its lora_A. Export it again.")
    return factors


def _place(folder: Path) -> str:
    """What sealed weights are bound to: whose shelf, which folder."""
    return f"{folder.parent.name}/{folder.name}"


def _opened(folder: Path, weights: bytes, seal: Seal | None) -> bytes:
    if seal is None:
        raise SealedError(
            f"{folder / WEIGHTS} is sealed. Let MONOGRAM_KEY_FILE name the file with the store's key."
        )
    try:
        return seal.open(weights, _place(folder))
    except StoreError as error:
        raise SealedError(f"{folder / WEIGHTS} cannot be opened. {error}") from error


def _check_bytes(folder: Path, found: bytes, record: Mapping[str, Any]) -> None:
    if record.get("format") != FORMAT:
        raise AdapterFileError(
            f"{folder / RECORD} has format {record.get('format')!r}, this version reads {FORMAT}. "
            "Export it again."
        )
    if len(found) != record.get("weights_bytes"):
        raise AdapterFileError(
            f"{folder / WEIGHTS} is truncated or has grown: it has {len(found)} bytes, "
            f"{record.get('weights_bytes')} were written. Export it again."
        )
    if hashlib.sha256(found).hexdigest() != record.get("weights_sha256"):
        raise AdapterFileError(
            f"{folder / WEIGHTS} was changed after it was written: its sha256 differs. Export it again."
        )


def _record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AdapterFileError(f"{path} is not there; is {path.parent} an adapter's folder?") from None
    except (OSError, ValueError) as error:
        raise AdapterFileError(f"{path} cannot be read: {error}. Export the adapter again.") from error
    if not isinstance(found, dict):
        raise AdapterFileError(f"{path} holds no record. Export the adapter again.")
    return found


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
