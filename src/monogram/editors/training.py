"""Training by gradient on whole answers: the one loop of fine-tuning and LoRA, and what they learn from.

    Lesson    prompts with the answers that shall be given: the loss of the answers' tokens alone
    Still     prompts with the base model's own answers, which shall stay: the KL of their tokens
    train     Adam on whatever parameters these losses reach

The whole model runs in every step. What changes weights is put on by the method, so nothing here writes to
them. Nothing is kept per preference either: all preferences are trained together, so a method of this room is
run again over the whole set whenever the set changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster
from monogram.delta import Delta
from monogram.editors.base import Edit, Progress
from monogram.editors.kept import Keep
from monogram.editors.lines import Lines, opening
from monogram.editors.values import OnStep
from monogram.errors import EditRefusedError, InputError
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.tail import pad_right

AGAIN = "the whole set of preferences, at every change"
"""What is run again; stands in the details."""


@dataclass(frozen=True)
class Pace:
    """How long and how fast.

    Attributes:
        steps: passes over all rows, at most; one step of Adam each where the rows fit into one batch.
        lr: Adam's learning rate.
        batch: rows of one step.
        stop: mean loss of a pass from which on no further one begins.
        seed: of the order of rows, where they do not fit into one batch.
    """

    steps: int
    lr: float
    batch: int
    stop: float
    seed: int


class Trained:
    """An editor that is one training run over all preferences."""

    name: ClassVar[str]
    config: Any

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """All preferences in one run, in the order of their digests. Nothing is kept between runs: each set
        is trained from the base model anew, so the delta hangs on the set and `config.seed` alone.

        Raises:
            InputError: a cluster without phrasings.
            LayerError: the layer is not there.
            EditRefusedError: the loss is no longer a number.
        """
        del keep
        begun = time.perf_counter()
        ordered = sorted(clusters, key=lambda cluster: cluster.preference.digest)
        for cluster in ordered:
            if not cluster.train:
                raise InputError(
                    f"No phrasing is left to train '{cluster.preference.attribute}' on. Give one."
                )

        def tell(done: int, count: int) -> None:
            if progress is not None:
                progress(f"training {self.name}", done, count)

        delta, losses, more = self.trained(model, ordered, tell) if ordered else (Delta.zero(), [], {})
        told = {"loss": losses[-1:], "steps": len(losses), "trained_again": AGAIN}
        return Edit(delta, {**more, **told, "seconds": time.perf_counter() - begun})

    def trained(
        self, model: EditableModel, clusters: Sequence[Cluster], tell: OnStep
    ) -> tuple[Delta, list[float], Mapping[str, Any]]:
        """The delta, the mean loss of each pass, and further details."""
        raise NotImplementedError


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
    logits = em.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=em.device)[:, None]
    step = torch.arange(max(map(len, answers)), device=em.device) * (not at_once)
    places = (last + step).clamp(
        max=ids.shape[1] - 1
    )  # (B, T); what is beyond an answer's end counts nothing
    found: Tensor = logits[torch.arange(len(rows), device=em.device)[:, None], places]
    return found.to(torch.promote_types(found.dtype, torch.float32)).log_softmax(-1)


def joined(every: Sequence[Lines]) -> Lines:
    """The lines of several clusters, one after the other."""
    return Lines(
        *([row for lines in every for row in getattr(lines, part)] for part in Lines.__annotations__)
    )


def train(
    parameters: Sequence[Tensor],
    loss: Callable[[list[int]], Tensor],
    rows: int,
    pace: Pace,
    *,
    after: Callable[[int], None] | None = None,
    on_step: OnStep | None = None,
) -> list[float]:
    """Take Adam's steps, and return the mean loss of each pass, as it was met.

    Args:
        loss: the loss of some rows.
        rows: how many rows there are.
        after: called with the step's number after each of Adam's, while its gradients are still there.
        on_step: called with (pass, passes at most) before each pass.

    Raises:
        EditRefusedError: the loss is no longer a number.
    """
    adam = torch.optim.Adam(parameters, lr=pace.lr)
    draw = torch.Generator().manual_seed(pace.seed)
    losses: list[float] = []
    taken = 0
    for step in range(pace.steps):
        if on_step is not None:
            on_step(step, pace.steps)
        order = torch.randperm(rows, generator=draw).tolist() if rows > pace.batch else list(range(rows))
        met = 0.0
        for start in range(0, rows, pace.batch):
            chosen = order[start : start + pace.batch]
            found = loss(chosen)
            if not bool(found.isfinite()):
                raise EditRefusedError(
                    f"Training lost its footing at step {taken}: the loss is {found.item()}."
                )
            adam.zero_grad()
            torch.autograd.backward(found, inputs=list(parameters))
            adam.step()
            if after is not None:
                after(taken)
            taken += 1
            met += found.item() * len(chosen) / rows
        losses.append(met)
        if met <= pace.stop:
            break
    return losses
