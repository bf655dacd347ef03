"""Bars on stderr for what takes long, with the time left where that is known; none for machines."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from monogram.cli.interrupt import interrupt
from monogram.cli.output import plain

if TYPE_CHECKING:
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]
BYTES = 1_000_000
"""From this total on, what is counted is bytes."""


@contextmanager
def progress(as_json: bool, begin: str = "") -> Iterator[Progress | None]:
    """A callback (what, done, total) that draws a bar for each `what`; None where nobody would see it.

    Until it is called, there is a bar without an end for `begin`, if that is said; as for a total of 0.
    """
    if as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from monogram.cli.output import console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TimeRemainingColumn(),
    )
    tasks: dict[tuple[str, bool], TaskID] = {}  # rich never takes a total away again
    with Progress(*columns, console=console(err=True), transient=True) as bars:

        def report(what: str, done: int, total: int) -> None:
            interrupt.check()
            if done >= total:  # it may go on, or something that has no name: nobody knows for how long
                done = total = 0
            key = (what, total > 0)
            if key not in tasks:
                tasks[key] = bars.add_task(plain(what), total=None, amount="", left="")
            for other, one in tasks.items():
                bars.update(one, visible=other == key)
            bars.update(
                tasks[key],
                completed=done,
                total=total or None,
                amount=amount(done, total),
                left="left" if total else "",
            )

        if begin:
            report(begin, 0, 0)
        yield report


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is under way, while nobody knows for how long; nothing but on a terminal."""
    with progress(False, what):
        yield


def amount(done: int, total: int) -> str:
    """How much of how much, in MB where it is bytes.

    >>> amount(3, 10)
    '3/10'
    >>> amount(5_000_000, 92_871_040)
    '5/93 MB'
    """
    if total >= BYTES:
        return f"{done / 1e6:.0f}/{total / 1e6:.0f} MB"
    return f"{done}/{total}" if total else ""
