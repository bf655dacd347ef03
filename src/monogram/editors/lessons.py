"""What is learned from whole answers, as losses; the whole model runs for each.

Lesson    prompts with the answers that shall be given: the loss of the answers' tokens alone
Still     prompts with the base model's own answers, which shall stay: the KL of their tokens
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monogram.editors.lines import Lines, opening
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.pad import pad_right
from monogram.models.trace import replaced


class Lesson:
    """Prompts and the answers that shall be given.

    Args:
        lines: what shall be said on what, with a weight for each of the answers' tokens.
        at_once: all of an answer's tokens are asked of the prompt's last token, not each of its own.
    """

    def __init__(self, em: EditableModel, lines: Lines, *, at_once: bool = False) -> None:
        self._em = em
        self._lines = lines
        self._at_once = at_once

    def __len__(self) -> int:
        return len(self._lines.prompts)

    def loss(self, chosen: Sequence[int]) -> Tensor:
        """Mean over rows of the weighted −log p of their answers' tokens, in nats."""
        told = self._lines
        prompts, answers = ([part[i] for i in chosen] for part in (told.prompts, told.answers))
        scores = next_tokens(self._em, prompts, answers, at_once=self._at_once)
        labels, live = (t.to(scores.device) for t in pad_right(answers))
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
    """

    def __init__(
        self, em: EditableModel, chats: Sequence[Sequence[Message]], *, longest: int, batch: int
    ) -> None:
        self._em = em
        said = generate(em, chats, max_new_tokens=longest, batch_size=batch)
        self._prompts = [em.chat_ids(chat) for chat in chats]
        ends = min(em.eos_ids, default=em.pad_id)
        self.answers = [[*opening(em, text), ends][:longest] for text in said]
        self._base: list[Tensor] = []
        with torch.no_grad():
            for prompt, answer in zip(self._prompts, self.answers, strict=True):
                self._base.append(next_tokens(em, [prompt], [answer])[0].to(em.dtype))

    def __len__(self) -> int:
        return len(self._prompts)

    def drift(self, chosen: Sequence[int]) -> Tensor:
        """Mean KL(base ‖ now) over the answers' tokens of these conversations, in nats."""
        answers = [self.answers[i] for i in chosen]
        now = next_tokens(self._em, [self._prompts[i] for i in chosen], answers)
        total = now.new_zeros(())
        for row, i in enumerate(chosen):
            base = self._base[i].to(now.dtype)
            total = total + (base.exp() * (base - now[row, : len(base)])).sum() / len(base)
        return total / len(chosen)


def next_tokens(
    em: EditableModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    *,
    at_once: bool = False,
) -> Tensor:
    """Log-probabilities (B, T, V) where the tokens of answers (T at most) are said; float32 at least.

    Args:
        at_once: at the prompt's last token for all of them, and the answer is not read.
    """
    rows = [[*p, *([] if at_once else a[:-1])] for p, a in zip(prompts, answers, strict=True)]
    ids, mask = (t.to(em.device) for t in pad_right(rows, em.pad_id))
    last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=em.device)[:, None]
    step = torch.arange(max(map(len, answers)), device=em.device) * (not at_once)
    places = (last + step).clamp(
        max=ids.shape[1] - 1
    )  # (B, T); what is beyond an answer's end counts nothing
    which = torch.arange(len(rows), device=em.device)[:, None]
    with replaced(em, _head(em), lambda states: states[which, places], side="input"):
        found: Tensor = em.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return found.to(torch.promote_types(found.dtype, torch.float32)).log_softmax(-1)


def _head(em: EditableModel) -> str:
    """The output head's name: it runs where something is scored, and nowhere else."""
    head = em.model.get_output_embeddings()
    return next(str(name) for name, module in em.model.named_modules() if module is head)
