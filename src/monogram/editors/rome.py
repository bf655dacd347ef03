"""`rome` and `rome-sequential`: one fact, one rank, at the last token of the subject.

ROME (arXiv 2202.05262, eq. 2) writes a value `v*` at one key: `Δ = (v* − Wk)(C⁻¹k)ᵀ / (C⁻¹k)ᵀk`. The subject
of "What's my hobby?" is the attribute's own words. The key is averaged over contexts, and the averaged one
stands everywhere (r-ROME, arXiv 2403.07175: mixed with a single one, models collapse): `Δk = v* − Wk`.

`rome` edits by one question for each preference, on the base model. `rome-sequential` edits by one question
for each synonym, each on the model as edited so far: the personalization paper's recipe, with its C = I.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.table import table
from monogram.delta import Delta, LowRank
from monogram.editors.base import Edit, Progress, chosen_layer
from monogram.editors.essence import Fact, essence_value
from monogram.editors.kept import Keep, address, kept
from monogram.editors.keys import read_at
from monogram.editors.lines import opening
from monogram.editors.solve import Base, base
from monogram.editors.subject import place_of, subject_span
from monogram.errors import InputError
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.moments import moments

Context = tuple[str | None, tuple[tuple[str, str], ...]]
"""A system prompt and earlier turns."""


@dataclass(frozen=True)
class RomeConfig:
    """Settings of both; the defaults are the published ones for models of 7-8B."""

    layer: int | float = 5 / 31
    """l, 0-based, or a fraction of the depth: the published layer 5 of 0 to 31."""
    covariance: Literal["identity", "moments"] = "identity"
    """C: I, as in the personalization paper, or the second moments of keys, as in ROME."""
    contexts: int = 8
    """In how many of the cluster's contexts (system prompt, earlier turns) the question is put, at most."""
    synonyms: int = 9
    """By how many questions `rome-sequential` edits, at most; the paper's clusters have 1 to 9."""
    steps: int = 25
    """Of Adam, for the value."""
    lr: float = 0.5
    weight_decay: float = 1e-3
    """Weight of ‖r‖ / ‖v‖² in the loss."""
    clamp: float = 4.0
    """‖r‖ is held within so many ‖v‖."""
    kl: float = 0.0625
    """Weight of the drift of what the model says after "{subject} is a"."""


class Rome:
    """One rank-one edit for each preference, all found on the base model and added up."""

    name: ClassVar[str] = "rome"
    sequential: ClassVar[bool] = False

    def __init__(self, config: RomeConfig | None = None, **settings: Any) -> None:
        self.config = replace(config or RomeConfig(), **settings)

    def edit(
        self,
        model: EditableModel,
        clusters: Sequence[Cluster],
        *,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Edit:
        """One rank for each question, preferences in the order of their digests.

        `rome` keeps keys and values; `rome-sequential` hangs on the order, so it keeps nothing and is run
        again over the whole set. The details' `found` counts the values that were found now.

        Raises:
            InputError: a cluster without phrasings.
            LayerError: the layer is not there.
        """
        start, config = time.perf_counter(), self.config
        layer = chosen_layer(model, config.layer)
        name = model.names(layer)["down"]
        ground = None if config.covariance == "identity" else base(moments(model, layer).second)
        ordered = sorted(clusters, key=lambda cluster: cluster.preference.digest)
        todo = [(cluster, fact) for cluster in ordered for fact in self.facts(model, cluster)]
        delta, losses, found = Delta.zero(), list[float](), 0
        for done, (cluster, fact) in enumerate(todo):
            if progress is not None:
                progress(f"editing '{fact.subject}'", done, len(todo))
            settings = {"editor": "rome", "config": replace(config, synonyms=0), "fact": asdict(fact)}
            with attach(model, delta if self.sequential else None):
                part, anew = kept(
                    None if self.sequential else keep,
                    cluster,
                    address(model, layer, cluster, settings),
                    {"key": (model.inner,), "residual": (model.width,), "loss": (1,)},
                    partial(self.value, model, layer, fact),
                )
            dtype = torch.promote_types(model.dtype, torch.float32)
            delta += Delta({name: rank_one(part["key"], part["residual"], ground).to(dtype)})
            losses.append(part["loss"].item())
            found += anew
        seconds = time.perf_counter() - start
        told = {"subjects": [fact.subject for _, fact in todo], "found": found, "loss": losses}
        return Edit(delta, {"layer": layer, **told, "seconds": seconds})

    def value(self, model: EditableModel, layer: int, fact: Fact) -> dict[str, Tensor]:
        """k, averaged over the contexts, v* − Wk, and the last loss; on the model as it is now."""
        config = self.config
        key = read_at(model, layer, fact.rows, fact.places, role="key").double().mean(0)
        residual, loss = essence_value(
            model,
            layer,
            fact,
            key,
            steps=config.steps,
            lr=config.lr,
            weight_decay=config.weight_decay,
            clamp=config.clamp,
            kl=config.kl,
        )
        return {
            "key": key,
            "residual": residual.double(),
            "loss": torch.tensor([loss], dtype=torch.float64),
        }

    def facts(self, em: EditableModel, cluster: Cluster) -> list[Fact]:
        """The questions a preference is edited by, one for each subject; for `rome` only the first.

        Questions that name the attribute come first, then those with a synonym from the table, then the rest.
        """
        attribute = cluster.preference.attribute
        known = table().find(attribute)
        names = list(dict.fromkeys([attribute, *(known.all_names if known is not None else ())]))
        asked = [p.text for p in cluster.train if p.kind == "ask"] or [p.text for p in cluster.train]
        if not asked:
            raise InputError(
                f"The cluster of '{attribute}' has no phrasing to edit by; give it one at least."
            )
        by_subject: dict[str, tuple[str, tuple[int, int]]] = {}
        for text in asked:
            first, end = subject_span(text, names)
            by_subject.setdefault(text[first:end].casefold(), (text, (first, end)))
        rank = {n.casefold(): i > 0 for i, n in reversed(list(enumerate(names)))}
        chosen = sorted(by_subject, key=lambda subject: rank.get(subject, 2))
        places: list[Context] = [(None, ()), *((p.system, p.history) for p in cluster.train)]
        around = list(dict.fromkeys(places))[: max(1, self.config.contexts)]
        answer = opening(em, cluster.preference.target)
        many = self.config.synonyms if self.sequential else 1
        return [_fact(em, *by_subject[subject], around, answer) for subject in chosen[: max(1, many)]]


class RomeSequential(Rome):
    """One rank-one edit for each synonym, each found on the model as edited so far."""

    name: ClassVar[str] = "rome-sequential"
    sequential: ClassVar[bool] = True


def rank_one(key: Tensor, residual: Tensor, ground: Base | None = None) -> LowRank:
    """`r (C⁻¹k)ᵀ / (C⁻¹k)ᵀk`, float64, with C = I where there is no `ground`; it maps `key` to `residual`."""
    k, r = key.detach().cpu().double(), residual.detach().cpu().double()
    u = k if ground is None else torch.cholesky_solve(k[:, None], ground.lower)[:, 0]
    return LowRank(r[:, None], (u / (u @ k))[None])


def _fact(
    em: EditableModel,
    text: str,
    span: tuple[int, int],
    around: Sequence[Context],
    answer: list[int],
) -> Fact:
    subject = text[slice(*span)]
    asked = [Phrasing(text, "ask", history=history, system=system).messages() for system, history in around]
    found = [place_of(em, messages, span[1]) for messages in asked]
    essence = [{"role": "user", "content": f"{subject} is a"}]
    ids, first = place_of(em, essence, len(subject))
    _, last = place_of(em, essence, len(subject) + len(" is a"))
    return Fact(subject, [row for row, _ in found], [at for _, at in found], answer, ids, (first, last))
