"""ROME's own value step (arXiv 2202.05262, eq. 4; the authors' `compute_v`): values at a subject.

Beside the answer's loss it weighs the essence's drift: what the model says after "{subject} is a" shall stay.
It runs on the fast path of `models.tail`, where the essence rides along as one more row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from monogram.editors.facts import Fact
from monogram.editors.keys import Role, read_at
from monogram.models.editable import EditableModel
from monogram.models.tail import Tail

STOP = 0.05
"""The loss at which the authors' code stops."""


@dataclass(frozen=True)
class EssenceConfig:
    """How the value step runs; the defaults are the published ones for models of 7-8B."""

    steps: int = 25
    """Of Adam, for the value."""
    lr: float = 0.5
    weight_decay: float = 1e-3
    """Weight of ‖r‖ / ‖v‖² in the loss."""
    clamp: float = 4.0
    """‖r‖ is held within so many ‖v‖."""
    kl: float = 0.0625
    """Weight of the drift of what the model says after "{subject} is a"."""


def essence_value(
    em: EditableModel,
    layer: int,
    fact: Fact,
    key: Tensor,
    *,
    steps: int,
    lr: float,
    weight_decay: float,
    clamp: float,
    kl: float,
    reach: float | None = None,
) -> tuple[Tensor, float]:
    """r = v* − Wk, by Adam on `−log p(answer) + kl·KL(essence) + weight_decay·‖r‖/‖v‖²`, and the last loss.

    Args:
        fact: what is to be said where.
        key: (d_ff,) k; v = Wk is the matrix's output for it.
        steps, lr: Adam's.
        weight_decay, kl: weights in the loss.
        clamp: longest ‖r‖, in units of ‖v‖.
        reach: ‖v‖, where v is something else than Wk.
    """
    down = em.module(em.names(layer)["down"])
    layers = cast(nn.ModuleList, em.module(em.layout.layers))
    lookup, told = fact.essence_places
    prompts = [row[: at + 1] for row, at in zip(fact.rows, fact.places, strict=True)]
    answers = [row[at + 1 :] + fact.answer for row, at in zip(fact.rows, fact.places, strict=True)]
    rest = [len(answer) - len(fact.answer) for answer in answers]
    tail = Tail(
        em.model,
        layers,
        down,
        layer,
        [*prompts, fact.essence[: lookup + 1]],
        [*answers, fact.essence[lookup + 1 : told + 2]],
        context=[*rest, told - lookup],
    )
    kind = torch.promote_types(em.dtype, torch.float32)
    labels = tail.labels[tail.labels != -100][:-1]  # the last is the essence's
    with torch.no_grad():
        before = tail.scored()[-1].to(kind).log_softmax(-1)
        if reach is None:
            reach = float(down(key.to(em.device, em.dtype)[None]).norm())
    residual = torch.zeros(em.width, device=em.device, dtype=kind, requires_grad=True)
    adam = torch.optim.Adam([residual], lr=lr)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        logits = tail.scored(residual).to(residual.dtype)
        said = functional.cross_entropy(logits[:-1], labels)
        after = logits[-1].log_softmax(-1)
        drift = functional.kl_div(after, before, log_target=True, reduction="sum")
        loss = said + kl * drift + weight_decay * residual.norm() / reach**2
        if loss.item() < STOP:
            break
        (residual.grad,) = torch.autograd.grad(loss, residual)
        adam.step()
        with torch.no_grad():
            residual.mul_(min(1.0, clamp * reach / max(float(residual.norm()), 1e-12)))
    return residual.detach(), loss.item()


def found_value(
    em: EditableModel, layer: int, fact: Fact, config: EssenceConfig, reach: float | None = None
) -> dict[str, Tensor]:
    """`key`, averaged over the contexts (r-ROME, arXiv 2403.07175), `residual`, and the last `loss`, float64,
    on the model as it is now. `reach` as in `essence_value`.
    """
    key = averaged(em, layer, [fact], role="key")[0]
    residual, loss = essence_value(
        em,
        layer,
        fact,
        key,
        steps=config.steps,
        lr=config.lr,
        weight_decay=config.weight_decay,
        clamp=config.clamp,
        kl=config.kl,
        reach=reach,
    )
    told = torch.tensor([loss], dtype=torch.float64)
    return {"key": key, "residual": residual.double(), "loss": told}


def averaged(em: EditableModel, layer: int, facts: Sequence[Fact], *, role: Role) -> Tensor:
    """(n, width of what is read) float64: what `read_at` reads at each fact's subject, the mean over its
    contexts.
    """
    rows, places = ([part for f in facts for part in getattr(f, name)] for name in ("rows", "places"))
    read = read_at(em, layer, rows, places, role=role).double()
    return torch.stack([part.mean(0) for part in read.split([len(f.rows) for f in facts])])
