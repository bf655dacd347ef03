"""Named tensors in one safetensors file that is whole or not there, and known to be what was written.

The file carries a checksum of its names, types, shapes, numbers and facts, so that one that was cut off,
changed or put in another's place is not read.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from monogram.errors import DiskFullError
from monogram.files import is_disk_full

SUM = "sha256"


def save(
    path: Path,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, str] | None = None,
    *,
    private: bool = False,
) -> None:
    """Write a file aside, put it on the disk, and give it its name. Its folder must be there.

    Args:
        facts: text that is kept and checked with the tensors.
        private: readable for its owner alone.

    Raises:
        DiskFullError: no room; nothing is left behind.
        OSError, SafetensorError: it cannot be written; nothing is left behind.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    known = dict(facts or {})
    work = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        save_file(plain, work, metadata={**known, SUM: _sum(plain, known)})
        if private:
            work.chmod(0o600)
        with work.open("rb+") as file:
            os.fsync(file.fileno())
        work.replace(path)
    except BaseException as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"The disk filled up while {path} was written. Make room and try again."
            ) from error
        raise
    finally:
        work.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Tensors and facts of a file; None where it is not there, or not what was written."""
    try:
        with safe_open(path, "pt") as file:
            facts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError, ValueError):
        return None
    told = facts.pop(SUM, None)
    return (tensors, facts) if told == _sum(tensors, facts) else None


def _sum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
