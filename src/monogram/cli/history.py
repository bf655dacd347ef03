"""Commands about a person's versions: history and rollback."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monogram.cli import complete
from monogram.cli.change import duration, figures_line, outcome, report
from monogram.cli.options import Editor, Home, Json, Model, User
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.progress import progress
from monogram.cli.shared import ledger_of, record, refuse_unknown
from monogram.preferences import check_user

if TYPE_CHECKING:
    from monogram.store.facts import Event
    from monogram.store.story import Entry

SIGNS = {"added": "+", "replaced": "-", "forgotten": "-"}


def join(app: typer.Typer) -> None:
    """Put the commands into the app."""
    for command in (history, rollback):
        app.command(command.__name__)(explained(command))


def history(user: User, home: Home = None, as_json: Json = False) -> None:
    """Show a person's versions: what changed, when, for which model, what was measured, which is present.

    What was erased leaves a line that says so, and nothing of what it was.

    Example: `monogram history alice`
    """
    from monogram.store.story import story

    ledger, user = ledger_of(home), check_user(user)
    refuse_unknown(ledger, user)
    entries = story(ledger, user)
    if as_json:
        emit({"user": user, "versions": [_told(entry) for entry in entries]})
        return
    show_table(
        ["version", "when", "what changed", "model", "editor", "receipt"], [_row(entry) for entry in entries]
    )
    say(f"Version {entries[-1].number} is present. To go back to an older one: monogram rollback {user} N")


def rollback(
    user: User,
    version: Annotated[
        int | None,
        typer.Argument(
            help="The version's number, as `history` shows it; by default the one before.",
            show_default=False,
            autocompletion=complete.versions,
        ),
    ] = None,
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Go back to what was true with an older version.

    It becomes a new version, and the history stays: so a rollback can be rolled back. The old adapter is used
    where it is whole and fits the model; otherwise it is compiled. A version that held something that was
    erased is gone.

    Example: `monogram rollback alice`

    Example: `monogram rollback alice 3`
    """
    from monogram.store.asked import to_restore
    from monogram.store.ledger import set_at

    ledger, user = ledger_of(home), check_user(user)
    old = to_restore(ledger, user, version)
    if not as_json:
        count = len(set_at(ledger.history(user), old.number))
        remark(
            f"Going back to version {old.number} of {old.created}: at once where its adapter is whole and of "
            f"this model, else {duration(count)} on two cores."
        )
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.people import load

        change = load(model, home=home, editor=editor, progress=bars).user(user).rollback(old.number)
    if as_json:
        emit({**outcome(user, change), "restored": old.number})
    elif change.version is None:
        say(f"Version {old.number} has just what is true now; nothing was changed.")
    else:
        report(user, change, as_json)


def _told(entry: "Entry") -> dict[str, Any]:
    """A version, for machines."""
    version = entry.version
    return {
        "number": entry.number,
        "time": entry.time or None,
        "present": entry.present,
        "erased": version is None,
        "changes": [
            {
                "kind": event.kind,
                **({"preference": record(event.preference)} if event.preference else {}),
                **({"restored": event.restored} if event.restored is not None else {}),
            }
            for event in entry.events
        ],
        "version": asdict(version) if version is not None else None,
    }


def _row(entry: "Entry") -> list[str]:
    """A version, for people."""
    version, receipt = entry.version, entry.version.receipt if entry.version else None
    changes = "\n".join(_line(event) for event in entry.events)
    if version is None:
        return [str(entry.number), entry.time, changes, "", "", "gone: something it held was erased"]
    number = f"{entry.number} (present)" if entry.present else str(entry.number)
    measured = figures_line(receipt or {}) or "nothing to measure"
    name = Path(version.base_name).name if Path(version.base_name).is_absolute() else version.base_name
    return [number, entry.time, changes or "compiled again", name, version.editor, measured]


def _line(event: "Event") -> str:
    if event.preference is not None:
        return f"{SIGNS[event.kind]} {event.preference.attribute}: {event.preference.target}"
    if event.restored is not None:
        return f"back to version {event.restored}:"
    return "something was erased"
