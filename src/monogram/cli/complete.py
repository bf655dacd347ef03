"""What the shell completes: people, what is true of them, attributes, models. Quick: no model, no torch.

Trouble (a damaged ledger, say) completes nothing; the command itself will say what is wrong. Names that a
shell might obey (`$`, quotes, brackets) are never put on its line.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monogram.errors import MonogramError
from monogram.preferences import POLARITIES

if TYPE_CHECKING:
    from monogram.store.story import Entry

_TAME = re.compile(r"[\w@%+.,/][\w@%+=:.,/ -]*")


def users(ctx: typer.Context) -> list[str]:
    """Everybody with a history."""
    from monogram.cli.shared import ledger_of

    try:
        return _tame(ledger_of(_home(ctx)).users())
    except MonogramError:
        return []


def held(ctx: typer.Context) -> list[str]:
    """Attributes and targets of the person on the command line."""
    from monogram.cli.shared import ledger_of

    try:
        present = ledger_of(_home(ctx)).present(str(ctx.params.get("user") or ""))
    except MonogramError:
        return []
    return _tame(word for p in present for word in (p.attribute, p.target))


def ever_held(ctx: typer.Context) -> list[str]:
    """Attributes and targets of the person on the command line, past ones too."""
    from monogram.store.facts import ever

    held = ever([event for entry in _entries(ctx) for event in entry.events])
    return _tame(word for p in held for word in (p.attribute, p.target))


def versions(ctx: typer.Context) -> list[str]:
    """Numbers of the versions of the person on the command line that can be gone back to, newest first."""
    return [str(e.number) for e in reversed(_entries(ctx)) if e.version is not None and not e.present]


def attributes() -> list[str]:
    """The table's attributes."""
    from monogram.clusters.table import table

    return _tame(table().names)


def polarities() -> list[str]:
    """The three."""
    return _tame(POLARITIES)


def models(ctx: typer.Context) -> list[str]:
    """Models that are here or can be fetched, by name."""
    from monogram.models import sources

    here = [model.name for model in sources.installed(home=_home(ctx))]
    return _tame([*sources.EMBEDDED, *here])


def points(group: str) -> Callable[[], list[str]]:
    """The names in a group of entry points, plugins' too."""

    def found() -> list[str]:
        from importlib.metadata import entry_points

        return _tame(sorted(point.name for point in entry_points(group=group)))

    return found


def words(*known: str) -> Callable[[], list[str]]:
    """Just these."""
    return lambda: _tame(known)


def _entries(ctx: typer.Context) -> "tuple[Entry, ...]":
    """The history of the person on the command line."""
    from monogram.cli.shared import ledger_of
    from monogram.store.story import story

    try:
        return story(ledger_of(_home(ctx)), str(ctx.params.get("user") or ""))
    except MonogramError:
        return ()


def _tame(found: Iterable[str]) -> list[str]:
    """Those that no shell takes for more than a word; with blanks escaped for bash, which does not do it."""
    bash = os.environ.get("_MONOGRAM_COMPLETE") == "complete_bash"
    kept = dict.fromkeys(word for word in found if _TAME.fullmatch(word))
    return [word.replace(" ", "\\ ") if bash else word for word in kept]


def _home(ctx: typer.Context) -> Path | None:
    chosen = ctx.params.get("home")
    return Path(chosen) if chosen else None
