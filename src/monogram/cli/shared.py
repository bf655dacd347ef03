"""What several commands do: open the ledger, know who is there, ask for a yes, find the benchmark."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monogram.cli.output import interactive, remark
from monogram.errors import InputError, MonogramError, unknown
from monogram.files import ledger_place, people_home
from monogram.preferences import Preference

if TYPE_CHECKING:
    from monogram.store.ledger import Ledger

DOORS = "monogram.doors"


def ledger_of(home: Path | None) -> "Ledger":
    """The ledger alone, without loading a model or torch."""
    from monogram.store.ledger import Ledger

    return Ledger(ledger_place(people_home(home)))


def refuse_unknown(ledger: "Ledger", user: str) -> None:
    """Raise `UnknownNameError` for somebody the ledger does not know."""
    users = ledger.users()
    if user not in users:
        raise unknown("user", user, users)


def agree(what: str, *, yes: bool, as_json: bool) -> None:
    """Ask whether to go on; without anybody to ask, only --yes goes on.

    Raises:
        InputError: nobody can be asked.
        typer.Exit: the answer was no.
    """
    if yes:
        return
    if as_json or not interactive():
        raise InputError(f"{what} Say --yes to go on. Nothing was changed.")
    remark(what)
    if not typer.confirm("Go on?", err=True):
        remark("Nothing was changed.")
        raise typer.Exit(1)


def counted(count: int, noun: str) -> str:
    """How many of what.

    >>> counted(1, "version"), counted(2, "version")
    ('1 version', '2 versions')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def record(preference: Preference) -> dict[str, str]:
    """A preference, for JSON."""
    return {**asdict(preference), "digest": preference.digest}


def names(preferences: Iterable[Preference]) -> str:
    """Preferences in a line."""
    return ", ".join(f"{p.attribute}: {p.target}" for p in preferences)


def listed(words: str) -> list[str]:
    """Names with commas between, each once."""
    return list(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))


def the_door(name: str = "bench") -> Any:
    """The benchmark's door, or the service's: doors don't import each other, so it is found as a plugin is.

    Raises:
        MonogramError: it is not installed, or not what it needs.
    """
    from importlib.metadata import entry_points

    for point in entry_points(group=DOORS, name=name):
        try:
            return point.load()
        except ModuleNotFoundError as error:
            raise MonogramError(
                f"`monogram {name}` needs {error.name}, which is not installed: pip install "
                f"'monogram[{name}]'."
            ) from error
    raise MonogramError(f"`monogram {name}` is not installed. Install monogram again.")
