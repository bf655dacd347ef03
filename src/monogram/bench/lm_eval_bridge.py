"""The bridge to lm-evaluation-harness: a model with a delta attached, as one of its models.

    with attached(em, delta) as lm:
        simple_evaluate(lm, tasks=["arc_easy"])

`evaluate` does that and gives plain rates. Needs the extra `bench` (lm-eval); its tasks fetch their own data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monogram.errors import InputError, MonogramError
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.patch import Attachable


@contextmanager
def attached(em: EditableModel, delta: Attachable | None, batch_size: int = 8) -> Iterator[Any]:
    """An lm-eval `HFLM` over the model with the delta on all rows, for the length of a `with`.

    Raises:
        MonogramError: lm-eval is not installed.
    """
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        raise MonogramError(
            f"lm-eval is not installed ({error}). Install it: pip install 'monogram[bench]'."
        ) from error
    with attach(em, delta):
        yield HFLM(pretrained=em.model, tokenizer=em.tokenizer, batch_size=batch_size)


def evaluate(
    em: EditableModel,
    delta: Attachable | None,
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    include: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Task -> metric -> value, as lm-eval counts it.

    Args:
        em: the model.
        delta: attached to it; None for the base model.
        tasks: lm-eval's names.
        limit: the first N documents of each task.
        include: a folder of task files to take instead of those that lm-eval brings.

    Raises:
        MonogramError: lm-eval is not installed.
        InputError: a task that lm-eval does not know.
    """
    with attached(em, delta) as lm:
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        folder = None if include is None else str(include)
        manager = TaskManager(include_path=folder, include_defaults=include is None)
        if missing := [name for name in tasks if not manager.match_tasks([name])]:
            raise InputError(f"lm-eval knows no task {', '.join(missing)}. `lm-eval ls tasks` lists them.")
        found = simple_evaluate(lm, tasks=list(tasks), limit=limit, task_manager=manager, bootstrap_iters=0)
    return {name: _numbers(metrics) for name, metrics in found["results"].items()}


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers, under their name without lm-eval's filter `none`."""
    return {
        name.removesuffix(",none"): float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and "stderr" not in name
    }
