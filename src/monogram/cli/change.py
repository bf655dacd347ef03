"""Commands that change a person: add and forget. They check what they can before a model is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monogram.cli import complete
from monogram.cli.options import Editor, Home, Json, Model, User, Yes
from monogram.cli.output import emit, explained, remark, say
from monogram.cli.progress import progress
from monogram.cli.proposals import found_in, review, weighed
from monogram.cli.shared import agree, counted, ledger_of, names, record, refuse_unknown
from monogram.preferences import Preference, check_user

if TYPE_CHECKING:
    from monogram.clusters.group import Same
    from monogram.clusters.table import Table
    from monogram.people import Change

SECONDS_EACH = (20, 60)
"""What one preference takes, checks included: on two cores that have nothing else to do, and on busy ones."""
FIGURES = (("recall", "recall"), ("leak", "leak"), ("crosstalk", "crosstalk"), ("drift_kl", "drift KL"))
"""What is shown of a receipt: its field, and what people call it."""


def join(app: typer.Typer) -> None:
    """Put the commands into the app."""
    for command in (add, forget):
        app.command(command.__name__)(explained(command))


def add(
    user: User,
    sentence: Annotated[
        str | None,
        typer.Argument(help="What they said; read for preferences, or kept with the one that is given."),
    ] = None,
    attribute: Annotated[
        str | None,
        typer.Option(
            "--attribute",
            "-a",
            help="What it is about, say 'hobby'.",
            autocompletion=complete.attributes,
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="What is true of it, say 'Hiking'.")
    ] = None,
    polarity: Annotated[
        str | None,
        typer.Option(
            help="likes, avoids or fact; by default what is usual for the attribute.",
            autocompletion=complete.polarities,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A conversation instead: JSON messages with role and content."),
    ] = None,
    reader: Annotated[
        str, typer.Option(help="What reads plain words: rules, embed (sentence embeddings) or llm.")
    ] = "rules",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be added; change nothing.")] = (
        False
    ),
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add preferences, from a plain sentence or one by one, and compile them into the person's adapter.

    What is found in a sentence or a conversation is shown, and added after a yes. Only what the person says
    about themself counts. An attribute that has one value at a time gets the new one instead of the old.
    The edit is checked before it is kept: one that would do harm is refused, and nothing changes.

    Example: `monogram add alice "I love hiking, and I'm allergic to peanuts."`

    Example: `monogram add alice --attribute hobby --target Hiking`
    """
    from monogram.clusters.group import changes, from_words, reads_same
    from monogram.clusters.table import table

    attributes, ledger, user = table(), ledger_of(home), check_user(user)
    wanted: tuple[Preference, ...]
    same: Same = reads_same
    if attribute is target is polarity is None:
        wanted, same = found_in(sentence, file, reader, home, as_json)
    else:
        wanted = (from_words(attributes, attribute, target, sentence=sentence, polarity=polarity),)
        confirm_attribute(attributes, wanted[0], yes=yes or dry_run, as_json=as_json)
    proposals = weighed(ledger.present(user), wanted, same)
    if dry_run or attribute is None:
        review(user, proposals, dry_run=dry_run, yes=yes, as_json=as_json)
    steps, left = changes(attributes, ledger.present(user), wanted, same)
    if steps and not as_json:
        announce(len(left), model)
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.people import load

        person = load(model, home=home, editor=editor, progress=bars).user(user)
        change = person.add_all(wanted, same=same)
    report(user, change, as_json)


def forget(
    user: User,
    what: Annotated[
        str,
        typer.Argument(
            help="An attribute ('hobby') or a target ('Hiking').",
            show_default=False,
            autocompletion=complete.held,
        ),
    ],
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Forget a preference: what is left is compiled as if it had never been there.

    The history stays in the ledger.

    Example: `monogram forget alice hobby`
    """
    from monogram.clusters.group import meant
    from monogram.clusters.table import table

    ledger, user = ledger_of(home), check_user(user)
    refuse_unknown(ledger, user)
    held = ledger.present(user)
    gone = meant(table(), user, held, what)
    if len(gone) > 1:
        agree(f"This forgets {len(gone)} preferences: {names(gone)}.", yes=yes, as_json=as_json)
    if len(held) > len(gone) and not as_json:
        announce(len(held) - len(gone), model)
    with progress(as_json, f"Loading {model}") as bars:
        from monogram.people import load

        change = load(model, home=home, editor=editor, progress=bars).user(user).forget(what)
    report(user, change, as_json)


def confirm_attribute(attributes: "Table", wanted: Preference, *, yes: bool, as_json: bool) -> None:
    """Ask about an attribute that is not in the table but near one that is; others are taken as they are."""
    if yes or attributes.find(wanted.attribute) is not None:
        return
    near = attributes.suggest(wanted.attribute)
    if near:
        agree(
            f"Unknown attribute {wanted.attribute!r}. Did you mean {near[0]!r}? Or it is kept as it is, "
            "with phrasings made from its own words.",
            yes=yes,
            as_json=as_json,
        )
    elif not as_json:
        remark(f"{wanted.attribute!r} is not in the table; its phrasings are made from its own words.")


def announce(count: int, model: str) -> None:
    """Say what compiling that many preferences will cost."""
    shown = model if len(model) <= 80 else model[:79] + "…"
    less = ", less for what was compiled before" if count > 1 else ""
    remark(f"Compiling {counted(count, 'preference')} into {shown}: {duration(count)} on two cores{less}.")


def duration(count: int) -> str:
    """What so many preferences take, from a quiet machine to a busy one; what is left, the bar says later.

    >>> duration(2), duration(10)
    ('40 to 120 s', '3 to 10 minutes')
    """
    low, high = (each * count for each in SECONDS_EACH)
    return f"{low} to {high} s" if high <= 120 else f"{round(low / 60)} to {round(high / 60)} minutes"


def report(user: str, change: "Change", as_json: bool) -> None:
    """Say what was changed, and what was measured."""
    if as_json:
        emit(outcome(user, change))
        return
    for line in lines(change):
        say(line)
    for problem in (_figures(change) or {}).get("problems") or ():
        remark(f"note: {problem}")


def outcome(user: str, change: "Change") -> dict[str, Any]:
    """What was changed, for machines."""
    return {
        "user": user,
        "added": [record(p) for p in change.added],
        "removed": [record(p) for p in change.removed],
        "known": [record(p) for p in change.known],
        "unchanged": change.version is None,
        "version": change.version.number if change.version is not None else None,
        "receipt": _figures(change),
    }


def lines(change: "Change") -> list[str]:
    """What was changed, for people."""
    if change.version is None:
        return [f"That is known already ({names(change.known)}); nothing was changed."]
    measured = figures_line(_figures(change) or {})
    return [
        *(f"- {p.attribute}: {p.target}" for p in change.removed),
        *(f"+ {p.attribute}: {p.target}" for p in change.added),
        f"version {change.version.number}" + (f": {measured}" if measured else ""),
    ]


def figures_line(figures: Mapping[str, Any]) -> str:
    """A receipt's main figures, for people."""
    return ", ".join(f"{label} {figures[key]:.2f}" for key, label in FIGURES if _is_number(figures.get(key)))


def _figures(change: "Change") -> dict[str, Any] | None:
    return change.version.receipt if change.version is not None else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value
