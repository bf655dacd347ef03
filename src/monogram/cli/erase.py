"""The command `erase`: something goes for good."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from monogram.cli import complete
from monogram.cli.change import announce
from monogram.cli.options import Editor, Home, Json, Model, User, Yes
from monogram.cli.output import INTERRUPTED, emit, explained, remark, say
from monogram.cli.progress import progress, waiting
from monogram.cli.shared import agree, counted, ledger_of, names, refuse_unknown
from monogram.preferences import check_user

if TYPE_CHECKING:
    from monogram.keeping import Keeping
    from monogram.store.ledger import Ledger
    from monogram.undo import Erased


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("erase")(explained(erase))


def erase(
    user: User,
    what: Annotated[
        str | None,
        typer.Argument(
            help="An attribute ('hobby', all its values) or a target ('Hiking'), present or past.",
            show_default=False,
            autocompletion=complete.ever_held,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="The whole person instead: everything, their id too.")
    ] = False,
    editor: Editor = None,
    model: Model = "smollm2",
    home: Home = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take something out for good: its text, everything made of it, every version that held it.

    `forget` keeps the history; this does not, and it cannot be undone. What is left present is compiled anew
    first. If it is interrupted after that, the next command finishes it. Copies that were exported are not
    found by it.

    Example: `monogram erase alice hobby`

    Example: `monogram erase alice --all`
    """
    from monogram.store.asked import known_versions, to_erase

    if (what is None) is not everything:
        raise typer.BadParameter("give an attribute or a target, or --all for the whole person")
    ledger, user = ledger_of(home), check_user(user)
    refuse_unknown(ledger, user)
    if what is None:
        count = counted(len(known_versions(ledger, user)), "version")
        agree(
            f"This erases {user!r} for good: {count}, and all that was ever true.", yes=yes, as_json=as_json
        )
        with _interruptible(ledger), waiting("Erasing"):
            from monogram.store.store import Store
            from monogram.undo import erase_person

            done = erase_person(Store(home), user)
        _report(user, done, as_json)
        return
    gone, left = to_erase(ledger, user, what)
    text = f"This erases {counted(len(gone), 'preference')} for good, with every version that held one: "
    agree(f"{text}{names(gone)}.", yes=yes, as_json=as_json)
    if left and len(left) < len(ledger.present(user)) and not as_json:
        announce(len(left), model)
    with _interruptible(ledger), progress(as_json, "Erasing") as bars:
        from monogram.store.store import Store
        from monogram.undo import erase as erase_from

        def keeping() -> "Keeping":
            from monogram.people import load

            return load(model, home=home, editor=editor, progress=bars).user(user).keeping

        done = erase_from(Store(home), user, what, keeping)
    _report(user, done, as_json)


@contextmanager
def _interruptible(ledger: "Ledger") -> Iterator[None]:
    """Where Ctrl-C comes after the erasure has landed, say so: it did not change nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if not ledger.unfinished():
            raise
        remark("Interrupted. It is erased from the ledger; `monogram verify` clears what is left of it.")
        raise typer.Exit(INTERRUPTED) from None


def _report(user: str, done: "Erased", as_json: bool) -> None:
    number = done.version.number if done.version is not None else None
    if as_json:  # what it was is not said again: output may be kept in a log
        emit(
            {
                "user": user,
                "erased": len(done.preferences),
                "versions": list(done.versions),
                "version": number,
            }
        )
        return
    what = f"{counted(len(done.preferences), 'preference')} and {counted(len(done.versions), 'version')}"
    say(f"Erased for good: {what}." + (f" Version {number} is present." if number is not None else ""))
