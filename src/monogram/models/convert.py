"""A GGUF file, dequantised once into a float32 safetensors folder that transformers loads by itself."""

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monogram.errors import ModelFileError, UnsupportedModelError
from monogram.files import is_disk_full
from monogram.models.fetch import Progress


def dequantise(gguf: Path, folder: Path, *, what: str, remedy: str, progress: Progress | None = None) -> None:
    """Write the model and tokenizer of ``gguf`` to ``folder``, in float32.

    Args:
        what: the model's name, for ``progress``.
        remedy: what the person should do about a broken file, a sentence for the message.

    Raises:
        ModelFileError: truncated, or not a GGUF file, or without a tokenizer that transformers can read.
        UnsupportedModelError: an architecture that transformers cannot dequantise.
    """
    check_gguf(gguf, remedy)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, name = str(gguf.parent), gguf.name
    try:
        with _reported(what, progress):
            tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
            model: Any = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, dtype=torch.float32)
            # transformers 5 still calls it quantised, and would not save it.
            model.hf_quantizer = None
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except Exception as error:
        if is_disk_full(error):
            raise
        reason = " ".join(str(error).split())[:200]
        if "not supported" in reason:
            raise UnsupportedModelError(f"{gguf} cannot be used: transformers says {reason!r}.") from error
        raise ModelFileError(f"{gguf} cannot be read ({type(error).__name__}: {reason}). {remedy}") from error


def check_gguf(path: Path, remedy: str) -> None:
    """Raise :class:`ModelFileError` unless ``path`` is a GGUF file that holds all the tensors it lists."""
    from gguf import GGUFReader

    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise ModelFileError(f"{path} is not a GGUF file: it begins with {magic!r}. {remedy}")
    try:
        GGUFReader(path)
    except Exception as error:  # numpy's, struct's and gguf's own, depending on where it was cut
        raise ModelFileError(f"{path} is cut off or changed ({type(error).__name__}). {remedy}") from error


@contextmanager
def _reported(what: str, progress: Progress | None) -> Iterator[None]:
    """Silence transformers' bars and remarks; its loop over the tensors calls ``progress`` instead."""
    from transformers.utils import logging

    def counted(tensors: Iterable[Any], **_: Any) -> Iterator[Any]:
        rows = list(tensors)
        for done, row in enumerate(rows):
            if progress is not None:
                progress(f"converting {what}", done, len(rows))
            yield row
        if progress is not None:
            progress(f"converting {what}", len(rows), len(rows))

    loader: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
    bars, level, tqdm = logging.is_progress_bar_enabled(), logging.get_verbosity(), loader.tqdm
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    loader.tqdm = counted
    try:
        yield
    finally:
        loader.tqdm = tqdm
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
