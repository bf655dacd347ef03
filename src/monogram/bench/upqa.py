"""The task `upqa`, as `monogram bench` finds it: a file in UPQA's format, methods by name, a run in a
folder.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monogram.bench.items import load_items
from monogram.bench.methods import chosen
from monogram.bench.methods import methods as methods_by_name
from monogram.bench.own import own_items
from monogram.bench.questions import Upqa
from monogram.bench.report import UPQA, figures, table
from monogram.bench.runner import run
from monogram.bench.session import Progress, Settings
from monogram.errors import InputError
from monogram.models.editable import EditableModel

CROSSTALK = 9
"""Crosstalk questions per item of the project's own set: what a person of ten preferences has besides."""


class UpqaTask:
    """Direct, paraphrased, implicit and product questions; leak, crosstalk and drift; at which cost."""

    name = "upqa"
    help = "Is a preference recalled, however it is asked for, and is everything else left alone?"

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
        """Run what is not done yet in `out`.

        Args:
            data: a file in UPQA's format; the project's own set by default.
            split: which split of the project's own set; development by default.
            methods: names with commas between, or `all`.
            model: what `EditableModel.load` takes.
            limit: the first N items.
            per_attribute: the first N items of each attribute.
            out: the run's folder.
            seed: of the bootstrap.
            progress: called with (what, done, total).

        Returns:
            Method -> metric -> {value, low, high, n}.

        Raises:
            InputError: a bad file, choice or method, or a folder that holds another run.
        """
        if data is not None and split is not None:
            raise InputError(
                f"Both a file ({data}) and a split of the project's own set ({split}) were given; give one."
            )
        if data is None:
            split = split or "development"
            file, crosstalk = own_items(split), CROSSTALK
        else:
            file, crosstalk = load_items(data), None
        task = Upqa(file, file.select(limit=limit, per_attribute=per_attribute), crosstalk=crosstalk)
        names = chosen(methods.split(","))
        em = EditableModel.load(model, progress=progress)
        compared = methods_by_name(names, em, task.asked)
        command = command_line(
            "upqa",
            data=None if data is None else data.name,
            split=split,
            methods=methods,
            model=model,
            limit=limit,
            per_attribute=per_attribute,
        )
        return run(em, task, compared, out, settings=Settings(seed=seed), command=command, progress=progress)

    def table(self, summary: Mapping[str, Any]) -> str:
        """The summary, a row per metric."""
        return table(figures(summary), UPQA)


def command_line(task: str, **options: object) -> str:
    """The command of a run, without the paths of this machine."""
    told = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    words = [f"--{name} {shlex.quote(str(value))}" for name, value in told.items()]
    return " ".join(["monogram", "bench", task, *words])


task = UpqaTask()
