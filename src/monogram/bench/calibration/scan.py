"""The first stage: where would each candidate fire? No value step, no answer.

One pass over all prompts reads all layers at once, detectors are fitted layer by layer, and a threshold is
put in afterwards. What a question is marked for is whether the neuron would fire there; the figure is the
benchmark's headline over these marks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from monogram.bench.asks import Plan
from monogram.bench.calibration.candidates import Candidate
from monogram.bench.facts import State
from monogram.bench.gates import standing
from monogram.bench.headline import UNWANTED, score
from monogram.bench.intervals import Figure, share
from monogram.bench.methods import Edited
from monogram.bench.runner import Order
from monogram.bench.tasks.base import Progress, Task
from monogram.clusters.cluster import Phrasing
from monogram.editors.base import Detects
from monogram.editors.intent import Ground
from monogram.editors.keys import read_layers
from monogram.models.editable import EditableModel
from monogram.models.moments import samples

LOUD = 0.3
"""An activation from which on an answer changes, in units of the full one."""
RECALLED = ("direct", "paraphrased", "implicit", "implicit_assistant", "product")
UNRELATED = "unrelated"

Activations = dict[str, list[float]]
"""Kind of question -> how far a preference's neuron fires at each."""
Make = Callable[[Candidate], Any]
"""A candidate to its editor, which is one that `Detects`."""


class Book:
    """What the MLPs of several layers see where answers start: each list of phrasings is read once."""

    def __init__(self, model: EditableModel, layers: Sequence[int]) -> None:
        self.model = model
        self.layers = list(layers)
        self._read: dict[tuple[Phrasing, ...], Tensor] = {}

    def at(self, layer: int, phrasings: Sequence[Phrasing]) -> Tensor:
        """(n, width), as `editors.keys.read_phrasings` reads that layer alone, to the bit."""
        key = tuple(phrasings)
        if key not in self._read:
            rows = [self.model.chat_ids(phrasing.messages()) for phrasing in key]
            self._read[key] = read_layers(self.model, self.layers, rows, [-1] * len(rows), role="x")
        return self._read[key][self.layers.index(layer)]


def scan(
    model: EditableModel,
    make: Make,
    candidates: Sequence[Candidate],
    order: Order,
    progress: Progress | None = None,
) -> dict[Candidate, list[Activations]]:
    """How far each candidate's neurons fire at what the order's items are asked, item by item."""
    plans = order.plans()
    layers = sorted({candidate.settings["layer"] for candidate in candidates})
    book = Book(model, layers)
    grounds = {
        around.layer: Ground(model, around, partial(book.at, around.layer))
        for around in samples(model, layers, progress=progress)
    }
    asked = tuple(dict.fromkeys(text for _, plan in plans for text in plan.asked))
    states = questions(plans)
    found: dict[Candidate, list[Activations]] = {candidate: [] for candidate in candidates}
    for done, (state, kinds) in enumerate(states.items()):
        [cluster] = Edited(model, make(candidates[0]), asked).clusters(state.facts)
        for layer, ground in grounds.items():
            if progress is not None:
                progress("trying layers", done * len(layers) + layers.index(layer), len(states) * len(layers))
            here = [candidate for candidate in candidates if candidate.settings["layer"] == layer]
            detectors = make(here[0]).detectors(ground, cluster)
            for candidate in here:
                editor: Detects = make(candidate)
                heard = {
                    kind: editor.fires(model, detectors, book.at(layer, asks)).tolist()
                    for kind, asks in kinds.items()
                }
                found[candidate].append(heard)
    return found


def questions(plans: Sequence[tuple[Task, Plan]]) -> dict[State, dict[str, list[Phrasing]]]:
    """State -> kind of question -> what is asked, of the kinds whose gates tell something."""
    found: dict[State, dict[str, list[Phrasing]]] = defaultdict(lambda: defaultdict(list))
    for task, plan in plans:
        for case in plan.cases:
            for ask in case.asks:
                if ask.kind in task.gated:
                    found[case.state][ask.kind].append(standing(ask.chat))
                found[case.state][UNRELATED] += map(standing, ask.chats)
    return {state: {kind: asks for kind, asks in kinds.items() if asks} for state, kinds in found.items()}


def figures(items: Sequence[Activations]) -> dict[str, Figure]:
    """What a candidate's activations come to: `recall`, `leak`, `crosstalk` and `unrelated` as shares of the
    prompts where it fires, and `score`.
    """
    marks = [_marks(item) for item in items]
    fires = {kind: [mark for item in marks for mark in item.get(kind, ())] for kind in (*UNWANTED, UNRELATED)}
    wanted = [mark for item in marks for kind in RECALLED for mark in item.get(kind, ())]
    quiet = [{**item, "top1": [not mark for mark in item.get(UNRELATED, ())]} for item in marks]
    return {"score": score(quiet), "recall": share(wanted), **{k: share(some) for k, some in fires.items()}}


def _marks(item: Activations) -> Mapping[str, list[bool]]:
    return {kind: [activation > LOUD for activation in some] for kind, some in item.items()}


def ranked(found: Mapping[Candidate, Mapping[str, Figure]], usual: Candidate) -> Iterator[Candidate]:
    """The best candidate of each layer, the best layer first; among equals the nearest to the usual one."""

    def place(candidate: Candidate) -> tuple[float, ...]:
        far = (abs(candidate.settings[name] - usual.settings[name]) for name in ("threshold", "layer"))
        return (-(found[candidate]["score"].value or 0.0), *far)

    layers: set[int] = set()
    for candidate in sorted(found, key=place):
        if candidate.settings["layer"] not in layers:
            layers.add(candidate.settings["layer"])
            yield candidate
