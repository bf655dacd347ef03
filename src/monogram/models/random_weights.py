"""Models of any size whose weights are drawn, to measure cost against size: `random:llama-1b`.

Shapes are those of published models; what they answer means nothing. Words are cut up, and conversations laid
out, as the embedded model does it, so every size reads the same tokens. The draw is seeded: the same name
gives the same weights on the same build of torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from monogram.errors import ModelNotFoundError, did_you_mean
from monogram.models.device import DTYPES, chosen_dtype
from monogram.models.reading import quiet
from monogram.models.sources import resolve

PREFIX = "random:"
TOKENIZER = "smollm2"


@dataclass(frozen=True)
class Shape:
    """A Llama's sizes.

    Attributes:
        width: of the residual stream.
        depth: layers.
        inner: neurons of each MLP.
        heads, shared: of attention, and of its keys and values.
        vocabulary: tokens, those that the tokenizer does not have included.
        tied: whether the output head is the embedding.
    """

    width: int
    depth: int
    inner: int
    heads: int
    shared: int
    vocabulary: int = 128256
    tied: bool = True


SHAPES = {
    "llama-135m": Shape(576, 30, 1536, 9, 3, 49152),
    "llama-360m": Shape(960, 32, 2560, 15, 5, 49152),
    "llama-1b": Shape(2048, 16, 8192, 32, 8),
    "llama-3b": Shape(3072, 28, 8192, 24, 8),
    "llama-8b": Shape(4096, 32, 14336, 32, 8, tied=False),
}
"""Those of SmolLM2 135M and 360M, and of Llama 3."""


def drawn(
    name: str,
    *,
    home: Path | None = None,
    dtype: torch.dtype | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Any, Any]:
    """A `transformers` model with random weights, and the embedded model's tokenizer.

    Args:
        name: `random:SHAPE` or `random:SHAPE:bfloat16`. A shape is one of `SHAPES`, or `llama-WIDTHxDEPTH`
            (the width a multiple of 64): MLPs of 8/3 of the width, a head for each 64 of it, no shared keys.
        home: where the tokenizer's files are; `$MONOGRAM_HOME` by default.
        dtype: of the weights; by default what the name says, else `$MONOGRAM_DTYPE`, else float32.
        progress: called while the tokenizer's model is fetched.

    Raises:
        ModelNotFoundError: no such shape or type.
    """
    asked, _, kind = name.removeprefix(PREFIX).partition(":")
    if kind and kind not in DTYPES:
        raise ModelNotFoundError(f"Unknown type {kind!r} in {name!r}. Known: {', '.join(DTYPES)}.")
    shape = _shape(asked)
    config = LlamaConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        intermediate_size=shape.inner,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.shared,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=8192,
    )
    folder = resolve(TOKENIZER, home=home, progress=progress).folder
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
        kept = dtype or DTYPES.get(kind) or chosen_dtype() or torch.float32
        made = AutoModelForCausalLM.from_config(config, dtype=kept)
    return made, tokenizer


def _shape(asked: str) -> Shape:
    if asked in SHAPES:
        return SHAPES[asked]
    if found := re.fullmatch(r"llama-(\d+)x(\d+)", asked):
        width, depth = map(int, found.groups())
        if width and depth and width % 64 == 0:
            return Shape(width, depth, width * 8 // 3 // 64 * 64, width // 64, width // 64, 49152)
        raise ModelNotFoundError(
            f"'{asked}' has no shape: the width is a multiple of 64, the depth 1 at least."
        )
    raise ModelNotFoundError(
        f"Unknown shape {asked!r}. {did_you_mean(asked, SHAPES)} Or give llama-WIDTHxDEPTH: llama-1024x24."
    )
