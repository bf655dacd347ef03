"""Commands about data sets: `data build`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monogram.cli.options import AtOnce, BaseUrl, Json, Llm, Retries, Timeout, Yes
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.progress import progress
from monogram.cli.shared import agree
from monogram.errors import InputError

if TYPE_CHECKING:
    from monogram.dataset.build import Built, Plan

SHOWN = 8
"""Refusals that are shown; all of them are in the file."""


def join(app: typer.Typer) -> None:
    """Put the group into the app."""
    group = typer.Typer(
        no_args_is_help=True, help="Make data sets to measure with.", rich_markup_mode="markdown"
    )
    group.command("build")(explained(build))
    app.add_typer(group, name="data")


def build(
    statements: Annotated[
        Path,
        typer.Argument(
            help="A CSV with columns of personas, or a text with one statement a line.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file of items to write.")] = Path("items.json"),
    llm: Llm = None,
    base_url: BaseUrl = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N statements.")] = None,
    clusters: Annotated[
        int, typer.Option(min=0, max=32, help="So many synonyms of attribute, question and target, too.")
    ] = 0,
    at_once: AtOnce = 4,
    retries: Retries = 2,
    timeout: Timeout = 60.0,
    again: Annotated[
        bool, typer.Option("--again", help="Ask again where the answers could not be used.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make items in UPQA's format from what people say about themselves, by a language model.

    Needs the extra `llm`, and OPENAI_API_KEY where the server wants a key. Says first what it will cost. Each
    answer is checked (in the person's own voice, no question holds its target, ...), a bad one goes back with
    the reason. Answers are kept beside the output as they come: run the same command again to go on where it
    stopped. What became no item stands in OUT.refused.jsonl, with the reason.

    Example: `monogram data build personas.csv --llm gpt-4o-mini --limit 50 --out items.json`
    """
    from monogram.dataset import build as room
    from monogram.dataset.statements import read
    from monogram.endpoint import Endpoint
    from monogram.journal import Journal

    if out.is_dir():
        raise InputError(f"{out} is a folder; --out names a file. Give one in it: {out / 'items.json'}.")
    given = read(statements)
    endpoint = Endpoint(llm, base_url, None, retries, timeout)
    model = endpoint.name  # no model named: nothing is begun
    with Journal(out.with_name(f"{out.name}.answers.jsonl")) as journal:
        todo = room.plan(given.texts[:limit], journal, model=model, clusters=clusters, again=again)
        with endpoint.line() as line:
            if todo.jobs:
                _ask_first(todo, line.url, yes=yes, as_json=as_json)
            with progress(as_json) as bars:
                built = room.build(todo, given, line, journal, at_once=at_once, progress=bars)
    refused = room.write(built, out)
    if as_json:
        emit(_record(built, given.repeated, out, refused))
    else:
        _show(built, given.repeated, out, refused)
    if built.failed or not built.items:
        raise typer.Exit(1)


def _ask_first(todo: "Plan", url: str, *, yes: bool, as_json: bool) -> None:
    """Say what it will cost, and ask whether to go on."""
    asked, answered = todo.tokens
    kept = len(todo.statements) - len(todo.jobs)
    what = (
        f"This asks {todo.model} at {url} {len(todo.jobs)} times: about {asked:,} tokens in and "
        f"{answered:,} out, more where answers have to be asked for again."
    )
    if kept:
        what += f" {kept} statements are answered already."
    if yes and not as_json:
        remark(what)
    agree(what, yes=yes, as_json=as_json)


def _record(built: "Built", repeated: int, out: Path, refused: Path) -> dict[str, Any]:
    return {
        "out": str(out) if built.items else None,
        "items": len(built.items),
        "repeated": repeated,
        "refused": {"file": str(refused), "n": len(built.refused), "kinds": built.kinds},
        "failed": [{"statement": statement, "reason": reason} for statement, reason in built.failed],
        "spent": asdict(built.spent),
    }


def _show(built: "Built", repeated: int, out: Path, refused: Path) -> None:
    if built.refused:
        rows = [(one.statement, one.kind, one.reason) for one in built.refused[:SHOWN]]
        show_table(["statement", "refused as", "why"], rows)
        kinds = ", ".join(f"{n} {kind}" for kind, n in built.kinds.items())
        say(f"Refused: {kinds}; all of them in {refused}")
    if repeated:
        say(f"Said twice in the file, and asked once: {repeated}")
    spent = built.spent
    say(f"Asked {spent.calls} times, {spent.prompt_tokens:,} tokens in, {spent.completion_tokens:,} out.")
    if built.failed:
        n, why = len(built.failed), built.failed[0][1]
        remark(f"{n} could not be asked ({why}) Run the same command to try again.")
    say(f"{len(built.items)} items: {out}" if built.items else "No item came of it; nothing was written.")
