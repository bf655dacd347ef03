"""Artefacts: what was costly to find for a person's clusters, kept so that it is not found again.

    <root>/<sha256 of the user's id, 32 digits>/<digest of the cluster>/<name>.safetensors

Numbers alone, no text. An artefact is a cache: one that is missing, cut off or changed is found anew, and one
that cannot be written is not kept. But it says something of the person, so folders and files are their
owner's alone, and what is removed is gone or complained of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from monogram import tensors as disk
from monogram.errors import DiskFullError, InputError
from monogram.seal import Seal
from monogram.store.folder import shelf_of
from monogram.store.trouble import remove

_DIGEST = re.compile(r"[0-9a-f]{16,64}")


class Artefacts:
    """All artefacts below ``root``; the first that is kept makes the folders. With ``seal``, sealed."""

    def __init__(self, root: Path, seal: Seal | None = None) -> None:
        self.root = root
        self._seal = seal

    def of(self, user: str) -> Shelf:
        """A person's artefacts.

        Raises:
            InputError: no user id.
        """
        return Shelf(shelf_of(self.root, user), self._seal)


class Shelf:
    """One person's artefacts, by cluster and name; both are digests (16 to 64 hex digits)."""

    def __init__(self, folder: Path, seal: Seal | None = None) -> None:
        self.folder = folder
        self._seal = seal

    def read(self, cluster: str, name: str) -> dict[str, Tensor] | None:
        """The tensors of an artefact; None where it is not there, or not what was written under this name."""
        found = disk.load(self._path(cluster, name), seal=self._seal)
        if found is None or found[1] != _facts(cluster, name):
            return None
        return found[0]

    def write(self, cluster: str, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep an artefact, whole or not at all. A disk that refuses is no error: it is found anew then."""
        path = self._path(cluster, name)
        with suppress(OSError, SafetensorError, DiskFullError):
            for folder in (self.folder.parent, self.folder, path.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            own = {part: tensor.clone() for part, tensor in tensors.items()}  # two may share memory
            disk.save(path, own, _facts(cluster, name), private=True, seal=self._seal)

    def only(self, clusters: Iterable[str]) -> None:
        """Remove everything but the named clusters' artefacts.

        Raises:
            StoreError: something could not be removed.
        """
        kept = set(clusters)
        for left in self.folder.iterdir() if self.folder.is_dir() else ():
            if left.name not in kept:
                remove(left)

    def clear(self) -> None:
        """Remove everything.

        Raises:
            StoreError: something could not be removed.
        """
        remove(self.folder)

    def _path(self, cluster: str, name: str) -> Path:
        for digest in (cluster, name):
            if not _DIGEST.fullmatch(digest):
                raise InputError(f"An artefact was named {digest!r}; 16 to 64 hex digits are needed.")
        return self.folder / cluster / f"{name}.safetensors"


def _facts(cluster: str, name: str) -> dict[str, str]:
    """What a file says it is, so that one that was moved elsewhere is not taken for another."""
    return {"cluster": cluster, "name": name}
