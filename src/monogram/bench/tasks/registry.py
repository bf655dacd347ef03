"""Tasks by name. Built-in ones come through the same entry points (`monogram.tasks`) as a plugin's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from monogram.bench.tasks.base import Task
from monogram.errors import InputError, MonogramError, unknown

GROUP = "monogram.tasks"


def task_names() -> tuple[str, ...]:
    """All names that `tasks` takes, sorted; nothing is imported for it."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def task(name: str) -> Task:
    """A task by name.

    Raises:
        UnknownNameError: there is none of that name; the nearest names are told.
        MonogramError: it is there and cannot be loaded.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise unknown("task", name, found)
    try:
        made: Task = found[name].load()
    except (ImportError, AttributeError) as error:
        raise MonogramError(f"The task {name!r} cannot be loaded: {error}. Install what it needs.") from error
    return made


def tasks(names: Sequence[str]) -> list[Task]:
    """Tasks by name, each once, in the order asked, each followed by those that it includes.

    Raises:
        UnknownNameError: a name that is no task.
        InputError: no name at all.
    """
    made: dict[str, Task] = {}
    for name in (name.strip() for name in names if name.strip()):
        asked = task(name)
        for each in (asked, *map(task, asked.includes)):
            made.setdefault(each.name, each)
    if not made:
        raise InputError(f"No task was named. Known: {', '.join(task_names())}.")
    return list(made.values())
