"""Named tensors in one safetensors file that is whole or not there, and known to be what was written.

The file carries a checksum of its names, types, shapes, numbers and facts, so that one that was cut off,
changed or put in another's place is not read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from safetensors.torch import save_file
from torch import Tensor

from monogram.errors import StoreError
from monogram.files import whole
from monogram.seal import Seal, is_sealed

SUM = "sha256"


def save(
    path: Path,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, str] | None = None,
    *,
    private: bool = False,
    seal: Seal | None = None,
) -> None:
    """Write a file aside, put it on the disk, and give it its name. Its folder must be there.

    Args:
        facts: text that is kept and checked with the tensors.
        private: readable for its owner alone.
        seal: seals the file.

    Raises:
        DiskFullError: no room; nothing is left behind.
        OSError, SafetensorError: it cannot be written; nothing is left behind.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    known = dict(facts or {})
    facts = {**known, SUM: _sum(plain, known)}
    with whole(path) as work:
        if seal is None:
            save_file(plain, work, metadata=facts)
        else:
            work.write_bytes(seal.close(write_tensors(plain, metadata=facts), path.name))
        if private:
            work.chmod(0o600)


def own(tensor: Tensor) -> Tensor:
    """A copy in memory of its own, row after row, from where the allocator begins.

    On some processors last bits of a product hang on where its factors lie, and what is found now shall count
    as what is read later.
    """
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def once(path: Path, name: str, make: Callable[[], Tensor]) -> Tensor:
    """The one tensor of a file that serves everybody; made now, and kept if that can be done, where it is not
    there or damaged.
    """
    found = load(path)
    if found is not None and set(found[0]) == {name}:
        return found[0][name]
    made = own(make())
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError, SafetensorError):  # cleared just now, or a place that is read only
        save(path, {name: made})
    return made


def load(path: Path, *, seal: Seal | None = None) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Tensors and facts of a file; None where it is not there, not what was written, or sealed with another
    key than that of `seal`.
    """
    try:
        tensors, facts = _plain(path) if not _sealed(path) else _opened(path, seal)
    except (OSError, SafetensorError, StoreError, ValueError):
        return None
    told = facts.pop(SUM, None)
    if told != _sum(tensors, facts):
        return None
    return {name: own(tensor) for name, tensor in tensors.items()}, facts


def _sealed(path: Path) -> bool:
    with path.open("rb") as file:
        return is_sealed(file.read(64))


def _plain(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        facts = dict(file.metadata() or {})
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - it is no dict


def _opened(path: Path, seal: Seal | None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As `_plain`. Of bytes safetensors tells no text: the header is 8 bytes of length, then JSON."""
    if seal is None:
        raise StoreError(f"{path} is sealed.")
    plain = seal.open(path.read_bytes(), path.name)
    header = json.loads(plain[8 : 8 + int.from_bytes(plain[:8], "little")])
    return read_tensors(plain), dict(header.get("__metadata__") or {})


def _sum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
