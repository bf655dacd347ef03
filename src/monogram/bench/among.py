"""The task `among`: what a change of one preference costs somebody who has many.

The same preference is added to an empty person and to one who has others (49, or `--limit`), receipt
included, and one of the others is forgotten, turn and turn about. The others are put in beforehand, their
values with a single gradient step: what they say is not measured here. Phrasings are read before the clock
starts, for all, and the first preference is not counted.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monogram.bench import intervals
from monogram.bench.cost import clusters_of, finish, new_folder, no_split, stepping
from monogram.bench.intervals import Figure
from monogram.bench.raw import Record
from monogram.bench.report import AMONG, figures, table
from monogram.carry import Last
from monogram.clusters.expand import expand_all
from monogram.editors.base import edit_with
from monogram.editors.registry import editor
from monogram.models.editable import EditableModel
from monogram.personalizer import Monogram, compile_monogram
from monogram.preferences import Preference
from monogram.receipt import Limits
from monogram.store.artefacts import Artefacts, Shelf
from monogram.store.ledger import Version, set_digest

Progress = Callable[[str, int, int], None]
OTHERS = 49
TURNS = 3
"""How many preferences are added; one more is not counted."""
ANYTHING = Limits(leak=1.0, crosstalk=1.0, top1=0.0, drift_kl=math.inf)


def hurried(name: str) -> Any:
    """An editor that takes one gradient step and says that it took all: it keeps under the same address."""
    kind: Any = type(editor(name))

    class Hurried(kind):  # type: ignore[misc]
        def value_step(self, model: EditableModel, cluster: Any) -> Any:
            short = replace(self.config, value=replace(self.config.value, steps=1))
            return kind(short).value_step(model, cluster)

    return Hurried()


def among(
    model: EditableModel,
    name: str,
    preferences: Sequence[Preference],
    others: int,
    keep: Shelf,
    *,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Time changes.

    Args:
        model: the base model.
        name: of the editor.
        preferences: the others first, then those that are added in turn; the first of these is not counted.
        others: how many are the others.
        keep: an empty place for artefacts.

    Returns:
        Records with `kind` ("alone", "among", "forget") and `seconds`, a row for each turn and kind.
    """
    held, added = tuple(preferences[:others]), preferences[others:]
    edit_with(hurried(name), model, expand_all(preferences), progress=progress, keep=keep)
    digests = [c.preference.digest for c in expand_all(held)]

    def change(left: Sequence[Preference], place: Shelf | None, last: Last | None) -> tuple[Monogram, float]:
        start = time.perf_counter()
        made = compile_monogram(model, left, editor=name, keep=place, last=last, limits=ANYTHING)
        return made, time.perf_counter() - start

    last = _version(change(held, keep, None)[0])
    records: list[dict[str, Any]] = []
    for turn, preference in enumerate(added):
        todo: dict[str, tuple[Sequence[Preference], Shelf | None, Last | None]] = {
            "alone": ([preference], None, None),
            "among": ([*held, preference], keep, last),
            "forget": (held[1:], keep, last),
        }
        for kind in todo if turn % 2 else reversed(todo):
            keep.only(digests)
            _, seconds = change(*todo[kind])
            if turn:
                records.append({"method": name, "item": turn - 1, "kind": kind, "seconds": seconds})
        if progress is not None:
            progress("changes", turn + 1, len(added))
    return records


def summarise(records: Sequence[Record], seed: int = 0) -> dict[str, dict[str, Figure]]:
    """Method -> metric -> figure: median seconds of each kind, and how many times an add alone they take."""
    found: dict[str, dict[str, Figure]] = {}
    for name in dict.fromkeys(record["method"] for record in records):
        seconds = {
            kind: [r["seconds"] for r in records if (r["method"], r["kind"]) == (name, kind)]
            for kind in ("alone", "among", "forget")
        }
        found[name] = {kind: intervals.median(taken, seed) for kind, taken in seconds.items()}
        for kind in ("among", "forget"):
            ratio = intervals.ratio_of_medians(seconds[kind], seconds["alone"], seed)
            found[name][f"{kind}_ratio"] = ratio
    return found


def _version(made: Monogram) -> Last:
    """As the ledger would have it."""
    receipt = dict(made.receipt.as_dict()) if made.receipt is not None else None
    facts = Version("bench", made.base_digest, made.editor, made.settings, receipt=receipt, number=1)
    return Last(replace(facts, preferences_digest=set_digest(made.preferences)), made.preferences)


class AmongTask:
    """Seconds of a change for somebody who has many preferences."""

    name = "among"
    help = "What does a change of one preference cost among many (--limit, by default 49)?"

    def run(
        self,
        *,
        data: Path | None,
        split: str | None,
        methods: str,
        model: str,
        limit: int | None,
        per_attribute: int | None,
        out: Path,
        seed: int,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Time changes and write raw.jsonl, summary.json, run.json and summary.md.

        Raises:
            InputError: a bad file, choice or method, or a folder that holds another run.
        """
        no_split(self.name, split)
        new_folder(out)
        editors = stepping([name.strip() for name in methods.split(",")])
        others = limit or OTHERS
        count = others + TURNS + 1
        chosen = [c.preference for c in clusters_of(data, count, per_attribute)]
        em = EditableModel.load(model, progress=progress)
        records = []
        for made in editors:
            with tempfile.TemporaryDirectory() as place:
                keep = Artefacts(Path(place)).of("bench")
                records += among(em, made.name, chosen, len(chosen) - TURNS - 1, keep, progress=progress)
        found = summarise(records, seed)
        about = {"others": len(chosen) - TURNS - 1, "preferences": [p.digest for p in chosen]}
        return finish(self, out, em, [made.name for made in editors], records, found, about, seed)

    def table(self, summary: Mapping[str, Any]) -> str:
        """The summary, a row per metric."""
        return table(figures(summary), AMONG)


task = AmongTask()
