"""Profile files in and out: the command `import`, and `export --to yaml`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monogram.cli import complete
from monogram.cli.change import announce, outcome, report
from monogram.cli.options import Editor, Home, Json, Model, Yes
from monogram.cli.output import emit, explained, remark, say
from monogram.cli.progress import progress
from monogram.cli.shared import agree, ledger_of, names, record
from monogram.errors import InputError, unknown
from monogram.preferences import Preference, Profile

if TYPE_CHECKING:
    from monogram.store.ledger import Ledger

FORMATS = ("yaml", "mem0")


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("import")(explained(import_))


def import_(
    file: Annotated[Path, typer.Argument(help="A profile file, or what mem0 gave.", show_default=False)],
    user: Annotated[
        str | None,
        typer.Option(
            "--user", help="Whose it is, instead of whom the file names.", autocompletion=complete.users
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="yaml (a profile file) or mem0 (JSON of its get_all).",
            autocompletion=complete.words(*FORMATS),
        ),
    ] = "yaml",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add what a file says of a person: what is not there yet, all in one version or none of it.

    What would change is shown first, and done after a yes.

    Example: `monogram import alice.yaml`
    """
    from monogram.clusters.group import changes
    from monogram.clusters.table import table

    profile, notes = _read(file, source, user)
    person, wanted = profile.user, profile.preferences
    held = ledger_of(home).present(person)
    steps, left = changes(table(), held, wanted)
    if source == "yaml":
        _refuse_contradiction(file, wanted, left)
    added, removed = _without(left, held), _without(held, left)
    plan = {
        "user": person,
        "added": [record(p) for p in added],
        "removed": [record(p) for p in removed],
        "unchanged": not steps,
        "notes": notes,
    }
    if not as_json:
        for line in (*notes, *(f"- {names([p])}" for p in removed), *(f"+ {names([p])}" for p in added)):
            remark(line)
        remark(f"{person}: {len(added)} new, {len(removed)} to go, {len(held) - len(removed)} stay.")
    if dry_run or not steps:
        if as_json:
            emit({**plan, "version": None, "dry_run": dry_run})
        else:
            say("Nothing was changed.")
        return
    agree(f"This adds {len(added)} preferences to {person!r}.", yes=yes, as_json=as_json)
    if not as_json:
        announce(len(left), model)
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.people import load

        change = load(model, home=home, editor=editor, progress=bars).user(person).add_all(wanted)
    if as_json:
        emit({**outcome(person, change), "notes": notes})
    else:
        report(person, change, as_json)


def export_profile(ledger: "Ledger", user: str, file: Path, *, yes: bool, as_json: bool) -> None:
    """Write what is true of a person to a profile file; one that is there is replaced after a yes."""
    from monogram.files import write_text
    from monogram.profiles import profile_text

    file = file.expanduser()
    if file.is_dir():
        raise InputError(f"{file} is a folder. Give a file, say {file / 'profile.yaml'}.")
    if file.exists():
        agree(f"{file} is there already and would be replaced.", yes=yes, as_json=as_json)
    if not file.absolute().parent.is_dir():
        raise InputError(
            f"{file} cannot be written: there is no folder {file.absolute().parent}. Make it first."
        )
    profile = Profile(user, ledger.present(user))
    write_text(file, profile_text(profile))
    if as_json:
        nbytes = file.stat().st_size
        emit(
            {
                "user": user,
                "to": "yaml",
                "file": str(file),
                "bytes": nbytes,
                "preferences": len(profile.preferences),
            }
        )
    else:
        say(f"{file}: a profile of {len(profile.preferences)} preferences")


def _read(file: Path, source: str, user: str | None) -> tuple[Profile, list[str]]:
    """What the file says, and what is to be said about it."""
    if source not in FORMATS:
        raise unknown("format", source, FORMATS)
    if source == "yaml":
        from monogram.profiles import read_profile

        return read_profile(file, user=user), []
    from monogram.mem0 import read_memories

    found = read_memories(file, read=_sentence, user=user)
    notes = [f"no preference in: {memory}" for memory in found.empty]
    if found.others:
        notes.append(
            f"{found.others} memories are of an assistant, or of somebody else; they are left alone."
        )
    if found.partial:
        notes.append("The file is one page of several. Import the others, too.")
    return found.profile, notes


def _sentence(sentence: str) -> Sequence[Preference]:
    """The preferences in a sentence of a person about themself."""
    from monogram.clusters.extract import propose
    from monogram.clusters.rules import Rules

    return propose(sentence, Rules())


def _refuse_contradiction(file: Path, wanted: Sequence[Preference], left: Sequence[Preference]) -> None:
    """A profile is what is true at one time: where there can be one value, the file must have one."""
    if lost := _without(wanted, left):
        raise InputError(
            f"{file} contradicts itself about {names(lost)}: further on it has another value for the same "
            "attribute, of which a person has one at a time. Leave one in the file."
        )


def _without(some: Sequence[Preference], others: Sequence[Preference]) -> list[Preference]:
    digests = {p.digest for p in others}
    return [p for p in some if p.digest not in digests]
