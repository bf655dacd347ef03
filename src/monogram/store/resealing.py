"""Another key for what is sealed: the new one seals, the old ones still open, and then they can go.

The key file has the new key in its first line and the old ones below it. Everything is read with either, so a
server may be started with that file at any time; what is written from then on is the new key's. `reseal`
writes the rest anew: each file aside, whole or not at all, so a run that was ended goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monogram.errors import SealedError, StoreError
from monogram.store.folder import Sealable
from monogram.store.store import Store

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Resealed:
    """What came of it: files sealed with the new key now, and those that were already."""

    anew: int
    already: int


def reseal(store: Store, *, progress: Progress | None = None) -> Resealed:
    """Seal every adapter and artefact with the first key; what was plain, too. Nobody else saves meanwhile.

    Raises:
        StoreError: the store has no key.
        SealedError: a file was changed, or sealed with a key that is not in the key file; it and those after
            it are as they were.
        DiskFullError: no room; the file is as it was.
    """
    if store.seal is None:
        raise StoreError(
            "There is no key. Let MONOGRAM_KEY_FILE name a file: the new key in line 1, older ones below."
        )
    with store.locked():
        files = [*store.adapters.sealable(), *_artefacts(store)]
        anew = 0
        for done, file in enumerate(files):
            if progress is not None:
                progress("sealing", done, len(files))
            try:
                closed = store.seal.renewed(file.read(), file.place)
            except FileNotFoundError:  # an artefact that somebody took out just now
                continue
            except StoreError as error:
                raise SealedError(f"{file.name} cannot be opened. {error}") from error
            if closed is not None:
                file.write(closed)
                anew += 1
    return Resealed(anew, len(files) - anew)


def _artefacts(store: Store) -> Iterator[Sealable]:
    """Each artefact; what a killed run left of writing one is no artefact."""
    for path in sorted(store.artefacts.root.glob("*/*/*.safetensors")):
        if not path.name.startswith("."):
            yield Sealable.on_disk(path, path.name)
