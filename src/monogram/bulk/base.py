"""Which model it is: its digest, without loading it where its files are as they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import transformers

from monogram.files import home as home_of
from monogram.files import write_text
from monogram.models.device import chosen_dtype
from monogram.models.editable import EditableModel
from monogram.models.sources import resolve

Progress = Callable[[str, int, int], None]
KINDS = ("*.safetensors", "*.bin", "*.json")


def base_digest(
    name: str,
    load: Callable[[], EditableModel],
    *,
    home: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """A model's digest. What was found is kept in the cache, with sizes and times of its files.

    Args:
        name: as `EditableModel.load` takes it.
        load: loads it, where that is needed.
        home: where models and caches are; `$MONOGRAM_HOME` by default.

    Raises:
        ModelError: as `EditableModel.load`.
    """
    folder = resolve(name, home=home, progress=progress).folder
    files = sorted(path for kind in KINDS for path in folder.glob(kind))
    stats = [(path.name, (told := path.stat()).st_size, told.st_mtime_ns) for path in files]
    about = [str(folder), stats, transformers.__version__, str(chosen_dtype())]
    known = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    path = home_of(home) / "cache" / "digests" / known[:32]
    if path.is_file() and len(digest := path.read_text(encoding="utf-8").strip()) == 64:
        return digest
    digest = load().digest
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, digest)
    return digest
