"""Sentences as vectors: all-MiniLM-L6-v2 through transformers, so that near meanings are near.

Mean pooling over the tokens and unit length, as the model was trained (sentence-transformers' own pipeline
for it; no package of its own is needed for that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from monogram.errors import ModelFileError
from monogram.models.reading import BROKEN, quiet

LONGEST = 256
"""Tokens of a text that are read: what the model was made for."""
BATCH = 64


class SentenceEncoder:
    """A sentence encoder. Make one with `load`."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer

    @classmethod
    def load(
        cls,
        name: str = "minilm",
        *,
        home: Path | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> SentenceEncoder:
        """The encoder called `name`, fetched when it is not here yet.

        Raises:
            UnknownNameError: no such encoder.
            ModelError: it cannot be fetched, or its files are broken.
        """
        from monogram.models.sources import encoder

        folder = encoder(name, home=home, progress=progress).folder
        try:
            with quiet():
                tokenizer = AutoTokenizer.from_pretrained(folder)
                model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32)
        except BROKEN as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelFileError(
                f"The sentence encoder '{name}' could not be read from {folder}: {reason} "
                f"Run `monogram model pull {name} --force`."
            ) from error
        return cls(model.eval(), tokenizer)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, width) vectors of length 1; their products are cosines. (0, width) for no texts."""
        width = int(self.model.config.hidden_size)
        rows = [self._batch(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        return np.concatenate(rows) if rows else np.zeros((0, width), np.float32)

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        with torch.no_grad():
            states = self.model(**ids).last_hidden_state  # (b, tokens, width)
        mask = ids["attention_mask"].unsqueeze(-1)
        pooled = (states * mask).sum(1) / mask.sum(1)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return unit
