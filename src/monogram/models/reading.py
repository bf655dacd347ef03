"""A model's files into memory: whole, or one clear line.

Nothing is made up: weights that are missing, or of another shape than the configuration says, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from monogram.errors import ModelFileError

BROKEN = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ImportError,
    SafetensorError,
)
"""What transformers raises when a model's files are not what they should be."""


def read(folder: Path, *, name: str, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """The `transformers` model and the tokenizer in a folder.

    Args:
        folder: with config.json, weights and tokenizer.
        name: what the model was asked for by, for errors.
        dtype: of the weights; the file's own by default.

    Raises:
        ModelFileError: a file is missing, broken, or does not fit the others.
    """
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype or "auto", output_loading_info=True, ignore_mismatched_sizes=True
            )
    except BROKEN as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .:")
        raise ModelFileError(
            f"The model '{name}' could not be read from {folder}: {reason}. Get its files again."
        ) from error
    model, told = loaded
    if odd := sorted(told["mismatched_keys"]):
        raise ModelFileError(
            f"The model '{name}' in {folder} has {len(odd)} weights of another shape than config.json "
            f"says, '{odd[0][0]}' first. Get its files again."
        )
    if missing := sorted(told["missing_keys"]):
        raise ModelFileError(
            f"The model '{name}' in {folder} lacks {len(missing)} of its weights, '{missing[0]}' first. "
            "Get its files again."
        )
    return model, tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the bars and remarks of transformers while it loads or saves."""
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
