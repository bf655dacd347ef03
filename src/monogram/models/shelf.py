"""Model folders that are made once, whole or not at all, and verified whenever they are taken down again."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from monogram.errors import ModelFileError
from monogram.files import aside, sha256, sweep

SEAL = "monogram.json"
"""Says what a folder's files must be. Where it is, the folder was made by us and is finished."""


def once(folder: Path, make: Callable[[Path], None], *, force: bool = False) -> None:
    """See to it that ``folder`` is there: ``make(empty_folder)`` makes it when it is not, or with ``force``.

    Any number of processes may ask at once: one makes it, the others wait for that one. With ``force`` the
    old folder stays until the new one is finished.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if is_sealed(folder) and not force:
            return
        sweep(folder)
        with aside(folder, replace=True) as work:
            make(work)


def seal(folder: Path, facts: Mapping[str, str]) -> None:
    """Write down size and sha256 of every file in ``folder``, and ``facts`` (name, origin, licence ...)."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != SEAL
    }
    record = {"format": 1, **facts, "files": files}
    (folder / SEAL).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def is_sealed(folder: Path) -> bool:
    """Whether monogram made and finished this folder."""
    return (folder / SEAL).is_file()


def facts(folder: Path) -> dict[str, str]:
    """What :func:`seal` was told about the folder, with ``bytes``, the size of all its files."""
    record, files = _read(folder, "Make it again.")
    told = {key: value for key, value in record.items() if isinstance(value, str)}
    return {**told, "bytes": str(sum(entry[0] for entry in files.values()))}


def verify(folder: Path, remedy: str) -> None:
    """Hold the files in ``folder`` against the seal, sizes first; without one, look for cut-off weights.

    Args:
        remedy: what the person should do, a sentence for the message.

    Raises:
        ModelFileError: a file is missing, truncated or changed.
    """
    if not is_sealed(folder):
        for path in sorted(folder.glob("*.safetensors")):
            _check_whole(path, remedy)
        return
    _, files = _read(folder, remedy)
    for name, (nbytes, _) in files.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found is None:
            raise ModelFileError(f"{path} is missing. {remedy}")
        if found != nbytes:
            raise ModelFileError(
                f"{path} has {found} bytes instead of {nbytes}: cut off or changed. {remedy}"
            )
    for name, (_, digest) in files.items():
        if sha256(folder / name) != digest:
            raise ModelFileError(f"{folder / name} is not what was written (other sha256): changed. {remedy}")


def _read(folder: Path, remedy: str) -> tuple[dict[str, object], dict[str, tuple[int, str]]]:
    try:
        record = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        files = {
            str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in record["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{folder / SEAL} cannot be read ({type(error).__name__}). {remedy}") from error
    return record, files


def _check_whole(path: Path, remedy: str) -> None:
    """A safetensors file says in its header how long it must be."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise ValueError("header")
            header = json.loads(file.read(length))
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelFileError(f"{path} is no whole safetensors file (unreadable header). {remedy}") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise ModelFileError(f"{path} has {size} bytes instead of {expected}: cut off or changed. {remedy}")
