"""What `add` does with plain words: read them, show what was found, ask for a yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monogram.cli.output import emit, interactive, show_table
from monogram.cli.progress import progress
from monogram.cli.shared import agree, names, record
from monogram.preferences import Preference

if TYPE_CHECKING:
    from monogram.clusters.group import Same


@dataclass(frozen=True)
class Proposal:
    """One preference that was found, what it would replace, and the held one that it repeats, if any."""

    preference: Preference
    replaces: tuple[Preference, ...]
    known: Preference | None

    @property
    def words(self) -> tuple[str, str, str, str]:
        """The preference, as a row shows it."""
        p = self.preference
        return p.attribute, p.target, p.polarity, p.statement

    @property
    def what(self) -> str:
        """What would happen, in a few words."""
        if self.known is not None:
            return f"known already: {names([self.known])}"
        return f"instead of {names(self.replaces)}" if self.replaces else "new"

    def as_record(self) -> dict[str, Any]:
        """For JSON."""
        known = None if self.known is None else record(self.known)
        return {
            **record(self.preference),
            "replaces": [record(p) for p in self.replaces],
            "known": known,
        }


def found_in(
    sentence: str | None, file: Path | None, reader: str, home: Path | None, as_json: bool
) -> tuple[tuple[Preference, ...], "Same"]:
    """The preferences in a sentence or in a conversation's file, and what the reader calls the same.

    Raises:
        typer.BadParameter: both, or neither.
        MonogramError: none was found, or they cannot be read.
    """
    from monogram.reading import conversation, found
    from monogram.reading import reader as reader_named

    if (sentence is None) == (file is None):
        raise typer.BadParameter("give a sentence, or --file, or both --attribute and --target")
    said = sentence if file is None else conversation(file)
    with progress(as_json) as bars:
        by = reader_named(reader, home=home, progress=bars)
        return found(said or "", by), by.same


def weighed(held: Sequence[Preference], wanted: Sequence[Preference], same: "Same") -> list[Proposal]:
    """What would happen to each, one after the other."""
    from monogram.clusters.group import changes, twin
    from monogram.clusters.table import table

    out, now = [], tuple(held)
    for preference in wanted:
        known = twin(table(), now, preference, same)
        steps, now = changes(table(), now, [preference], same)
        out.append(Proposal(preference, tuple(p for kind, p in steps if kind == "replaced"), known))
    return out


def review(user: str, proposals: Sequence[Proposal], *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Show proposals, and ask whether to take them.

    Raises:
        InputError: nobody can be asked, and nobody said --yes.
        typer.Exit: they were only to be shown, or the answer was no.
    """
    new = [p.preference for p in proposals if p.known is None]
    if dry_run and as_json:
        emit({"user": user, "dry_run": True, "proposals": [p.as_record() for p in proposals]})
    elif dry_run or (new and not yes and not as_json and interactive()):
        columns = ["attribute", "target", "polarity", "said", "what happens"]
        rows = [(*p.words, p.what) for p in proposals]
        show_table(columns, rows, err=not dry_run)
    if dry_run:
        raise typer.Exit(0)
    if new:
        agree(f"This adds {names(new)}.", yes=yes, as_json=as_json)
