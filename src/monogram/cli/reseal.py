"""The command `reseal`: another key for what is sealed."""

import typer

from monogram.cli.options import Home, Json
from monogram.cli.output import emit, explained, say
from monogram.cli.progress import progress
from monogram.cli.shared import counted


def join(app: typer.Typer) -> None:
    """Put the command into the app."""
    app.command("reseal")(explained(reseal))


def reseal(home: Home = None, as_json: Json = False) -> None:
    """Seal everything that is kept of people with the first key of MONOGRAM_KEY_FILE.

    To change the key: put a new one (openssl rand -hex 32) in a line before the old one, start servers again,
    reseal, and take the old line out. What was plain is sealed, too. If it is interrupted, do it again.

    Example: `monogram reseal`
    """
    with progress(as_json, "Reading what is kept") as bars:
        from monogram.store.resealing import reseal as all_of_it
        from monogram.store.store import Store

        found = all_of_it(Store(home), progress=bars)
    if as_json:
        emit({"sealed": found.anew, "already": found.already})
    else:
        say(f"Sealed {counted(found.anew, 'file')} with the first key; {found.already} had been already.")
