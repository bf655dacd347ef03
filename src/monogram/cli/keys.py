"""The commands `keys add|list|revoke`: who may come in to `monogram serve`."""

from typing import Annotated

import typer

from monogram.cli.options import Home, Json
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.shared import the_door


def join(app: typer.Typer) -> None:
    """Put the commands into the app."""
    group = typer.Typer(no_args_is_help=True, help="API keys of `monogram serve`, each of one tenant.")
    group.command("add")(explained(add))
    group.command("list")(explained(list_))
    group.command("revoke")(explained(revoke))
    app.add_typer(group, name="keys")


def add(
    tenant: Annotated[str, typer.Argument(help="Whose: 1 to 40 of a-z, 0-9 and -.", show_default=False)],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once, and kept nowhere but as a digest.

    From the first key on, every request to the server needs one. A tenant sees its own people only; in the
    store they are called TENANT/USER.

    Example: `monogram keys add acme`
    """
    key, secret = the_door("serve").Keys(home).add(tenant)
    if as_json:
        emit({"id": key.id, "tenant": key.tenant, "created": key.created, "key": secret})
        return
    say(secret)
    remark(f"Key {key.id} of {tenant}: it is not shown again. To take it back: monogram keys revoke {key.id}")


def list_(home: Home = None, as_json: Json = False) -> None:
    """Show which keys there are; never the keys themselves.

    Example: `monogram keys list`
    """
    shelf = the_door("serve").Keys(home)
    keys = shelf.all()
    if as_json:
        emit({"keys": [{"id": k.id, "tenant": k.tenant, "created": k.created} for k in keys]})
    elif keys:
        show_table(["key", "tenant", "since"], [[k.id, k.tenant, k.created] for k in keys])
    elif shelf.asked_for:
        say(f"All keys are revoked: the server lets nobody in. Add one, or remove {shelf.path}.")
    else:
        say("There are no keys: the server lets this machine in, and nobody else.")


def revoke(
    key: Annotated[str, typer.Argument(help="Its id, as `keys list` shows it.", show_default=False)],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take a key back. A server that is running refuses it from the next request on.

    Example: `monogram keys revoke 1f2e3d4c`
    """
    gone = the_door("serve").Keys(home).revoke(key)
    if as_json:
        emit({"id": gone.id, "tenant": gone.tenant, "revoked": True})
    else:
        say(f"Key {gone.id} of {gone.tenant} is no key any more.")
