"""The command `verify`: is what is kept whole, and nothing of what was erased."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monogram.cli import complete
from monogram.cli.change import duration
from monogram.cli.options import Home, Json, Model
from monogram.cli.output import emit, explained, remark, say
from monogram.cli.progress import progress
from monogram.cli.shared import counted, ledger_of, refuse_unknown
from monogram.preferences import check_user

if TYPE_CHECKING:
    from monogram.verify import Report


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("verify")(explained(verify))


def verify(
    user: Annotated[
        str | None,
        typer.Argument(help="The person's id; without it, everybody.", autocompletion=complete.users),
    ] = None,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Rebuild every version, not only the present one.")
    ] = False,
    model: Model = "smollm2",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Check what is kept of a person, or of everybody.

    Every version: is its adapter there and whole, and does the ledger add up to it. The present one is
    compiled again from the ledger alone and must be the same to the bit, and its receipt must say the same.
    Nothing may be left of what was erased. One line for each fault, and exit code 1 where there is one.

    Example: `monogram verify alice`

    Example: `monogram verify --all-versions`
    """
    ledger = ledger_of(home)
    if user is not None:
        user = check_user(user)
        refuse_unknown(ledger, user)
    users = ledger.users() if user is None else (user,)
    if not as_json:
        _announce(home, users, all_versions, model)
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.people import load

        found = load(model, home=home, progress=bars).verify(*users, all_versions=all_versions)
    _report(found, as_json)
    if found.all_faults:
        raise typer.Exit(1)


def _announce(home: Path | None, users: tuple[str, ...], all_versions: bool, model: str) -> None:
    """Say what it will cost, before the model is loaded."""
    from monogram.store.ledger import set_at

    ledger, versions, count = ledger_of(home), 0, 0
    for user in users:
        numbers = [version.number for version in ledger.versions(user)]
        events = ledger.history(user)
        chosen = numbers if all_versions else numbers[-1:]
        versions += len(chosen)
        count += sum(len(set_at(events, number)) for number in chosen)
    remark(
        f"Rebuilding {counted(versions, 'version')} with {counted(count, 'preference')} on {model}: "
        f"{duration(count)} on two cores."
    )


def _report(found: "Report", as_json: bool) -> None:
    if as_json:
        people = [
            {
                "user": person.user,
                "versions": person.versions,
                "rebuilt": list(person.rebuilt),
                "faults": list(person.faults),
                "notes": list(person.notes),
            }
            for person in found.people
        ]
        faults = list(found.faults)
        emit({"good": not found.all_faults, "people": people, "faults": faults, "swept": found.swept})
        return
    if found.swept:
        remark(f"Cleared {counted(found.swept, 'leftover')} of processes that were killed.")
    for fault in found.all_faults:
        say(fault)
    for person in found.people:
        for note in person.notes:
            remark(f"{person.user}: {note}")
        if not person.faults:
            checked = f"{counted(person.versions, 'version')} whole, {len(person.rebuilt)} rebuilt to the bit"
            say(f"{person.user}: {checked}")
    if not found.people:
        say("Nobody is here; the ledger is whole." if not found.faults else "Nobody is here.")
