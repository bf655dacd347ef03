"""What is learned from whole answers, as losses.

Lesson    prompts with the answers that shall be given: the loss of the answers' tokens alone
Still     prompts with the base model's own answers, which shall stay: the KL of their tokens

Where nothing below a layer is trained, the layers below it run once for each row, and answer from a recording
after that; and what all rows begin with (a default system prompt) runs once for all of them in each step: the
rivals of the flagship have its shortcuts, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from monogram.editors.lines import Lines, opening
from monogram.models.below import answered, recorded
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.pad import pad_right
from monogram.models.prefix import common_start, copied, lightened, read_prefix
from monogram.models.trace import replaced


class Lesson:
    """Prompts and the answers that shall be given.

    Args:
        lines: what shall be said on what, with a weight for each of the answers' tokens.
        at_once: all of an answer's tokens are asked of the prompt's last token, not each of its own.
        layer: the lowest one that is trained.
    """

    def __init__(self, em: EditableModel, lines: Lines, *, at_once: bool = False, layer: int = 0) -> None:
        self._lines = lines
        self._said = Said(em, lines.prompts, lines.answers, at_once=at_once, layer=layer)

    def __len__(self) -> int:
        return len(self._lines.prompts)

    def loss(self, chosen: Sequence[int]) -> Tensor:
        """Mean over rows of the weighted −log p of their answers' tokens, in nats."""
        told = self._lines
        scores = self._said.logs(chosen)
        labels, live = (t.to(scores.device) for t in pad_right([told.answers[i] for i in chosen]))
        share = torch.zeros(live.shape, dtype=scores.dtype)
        for row, i in enumerate(chosen):
            share[row, : len(told.weights[i])] = torch.tensor(told.weights[i], dtype=scores.dtype)
        said = scores.gather(2, labels[:, :, None])[:, :, 0]
        return -(said * share.to(scores.device) * live).sum() / len(chosen)


class Still:
    """Conversations that shall go on as the base model goes on with them. It must be made before anything is
    put on the model.

    Args:
        longest: tokens of the model's own answers that are held.
        batch: conversations that run together.
        layer: the lowest one that is trained.
    """

    def __init__(
        self,
        em: EditableModel,
        chats: Sequence[Sequence[Message]],
        *,
        longest: int,
        batch: int,
        layer: int = 0,
    ) -> None:
        said = generate(em, chats, max_new_tokens=longest, batch_size=batch)
        prompts = [em.chat_ids(chat) for chat in chats]
        ends = min(em.eos_ids, default=em.pad_id)
        self.answers = [[*opening(em, text), ends][:longest] for text in said]
        self._said = Said(em, prompts, self.answers, layer=layer)
        with torch.no_grad():
            self._base = [
                told[: len(answer)].to(em.dtype)
                for start in range(0, len(prompts), batch)
                for told, answer in zip(
                    self._said.logs(range(len(prompts))[start : start + batch]),
                    self.answers[start : start + batch],
                    strict=True,
                )
            ]

    def __len__(self) -> int:
        return len(self._base)

    def drift(self, chosen: Sequence[int]) -> Tensor:
        """Mean KL(base ‖ now) over the answers' tokens of these conversations, in nats."""
        now = self._said.logs(chosen)
        base = pad_sequence([self._base[i] for i in chosen], batch_first=True).to(now.dtype)
        live = pad_sequence(
            [now.new_full((len(self._base[i]),), 1 / len(self._base[i])) for i in chosen], True
        )
        return ((base.exp() * (base - now)).sum(-1) * live).sum() / len(chosen)


class Said:
    """Answers after prompts, and how likely the model holds each of their tokens.

    Args:
        at_once: all of an answer's tokens are asked of the prompt's last token, and the answer is not read.
        layer: the lowest one that changes while this lives; what those below hand up is read once.
    """

    BATCH = 16
    """Rows that are read together."""

    def __init__(
        self,
        em: EditableModel,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        *,
        at_once: bool = False,
        layer: int = 0,
    ) -> None:
        self._em, self._layer, self._each = em, layer, not at_once
        self._rows = [[*p, *([] if at_once else a[:-1])] for p, a in zip(prompts, answers, strict=True)]
        self._last = [len(prompt) - 1 for prompt in prompts]
        self._lengths = [len(answer) for answer in answers]
        self._layers = cast(nn.ModuleList, em.module(em.layout.layers))
        self._common = min(common_start(self._rows), min(self._last, default=0))  # nothing there is scored
        self._states: list[Tensor] = []
        self._beside: tuple[Any, ...] | None = None
        self._base: DynamicCache | None = None

    def logs(self, chosen: Sequence[int]) -> Tensor:
        """Log-probabilities (B, T, V) where the tokens of the chosen answers (T at most) are said; float32 at
        least. What is beyond an answer's end counts nothing.
        """
        em = self._em
        ids = self._ids([self._rows[i][self._common :] for i in chosen])
        last = torch.tensor([self._last[i] - self._common for i in chosen], device=em.device)[:, None]
        step = torch.arange(max(self._lengths[i] for i in chosen), device=em.device) * self._each
        places = (last + step).clamp(max=ids.shape[1] - 1)  # (B, T)
        which = torch.arange(len(chosen), device=em.device)[:, None]
        if self._layer and not self._states:
            self._read()
        start = copied(self._start(), len(chosen))
        below = self._below([self._states[i][self._common :] for i in chosen] if self._layer else [])
        with below, replaced(em, _head(em), lambda states: states[which, places], side="input"):
            found: Tensor = em.model(input_ids=ids, past_key_values=start, use_cache=True).logits
        return found.to(torch.promote_types(found.dtype, torch.float32)).log_softmax(-1)

    def _start(self) -> DynamicCache:
        """Keys and values of what all rows begin with, as what is trained makes them."""
        cache = DynamicCache()  # made without the model's config, it forgets nothing
        if self._common:
            with self._below([self._states[0][: self._common]] if self._layer else []):
                ids = self._ids([self._rows[0][: self._common]])
                self._em.model.base_model(input_ids=ids, past_key_values=cache, use_cache=True)
            if self._base is not None:
                cache.layers[: self._layer] = self._base.layers[: self._layer]
        return cache

    def _ids(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Padded on the right, where causality alone keeps it out of sight."""
        return pad_right(rows, self._em.pad_id)[0].to(self._em.device)

    def _below(self, states: Sequence[Tensor]) -> AbstractContextManager[None]:
        """The layers below hand up these states, a row each."""
        if not self._layer:
            return nullcontext()
        told = pad_sequence(list(states), batch_first=True)
        return answered(self._layers, self._layer, told if self._beside is None else (told, *self._beside))

    def _read(self) -> None:
        every = range(len(self._rows))
        for some in (every[start : start + self.BATCH] for start in range(0, len(every), self.BATCH)):
            inputs = {"input_ids": self._ids([self._rows[i] for i in some]), "use_cache": False}
            out = recorded(self._em.model, self._layers, self._layer, inputs)
            if isinstance(out, tuple):
                out, *beside = out
                self._beside = tuple(beside)
            self._states += [row[: len(self._rows[i])] for i, row in zip(some, out, strict=True)]
        with torch.no_grad():
            start = read_prefix(self._em.model, [self._rows[0][: self._common]])
        self._base = lightened(start, self._layer)  # of the layers below, how long they are


def _head(em: EditableModel) -> str:
    """The output head's name: it runs where something is scored, and nowhere else."""
    head = em.model.get_output_embeddings()
    return next(str(name) for name, module in em.model.named_modules() if module is head)
