"""What is done with a finished run: `bench report` and `bench score`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monogram.cli import complete
from monogram.cli.options import AtOnce, BaseUrl, Home, Json, Llm, Retries, Timeout, Yes
from monogram.cli.output import emit, explained, remark, say, show_table
from monogram.cli.progress import progress, waiting
from monogram.cli.shared import agree, counted, listed, the_door

if TYPE_CHECKING:
    from monogram.endpoint import Line


def join(group: typer.Typer) -> None:
    """Put the commands into the group."""
    group.command("report")(explained(report))
    group.command("score")(explained(score))


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="A run's folder, or several to compare.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.html and report.md (default: the first DIR).", show_default=False
        ),
    ] = None,
    texts: Annotated[
        bool,
        typer.Option(
            "--texts/--no-texts",
            help="Quote questions and answers as examples; not, where the data may not be passed on.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Make a page that people can read of a run: report.html (nothing from outside), report.md.

    It is made from the raw outputs alone, and again whenever you like; of a run that has not ended, too.

    Example: `monogram bench report out/first`
    """
    with waiting("Reading raw outputs"):
        files = the_door().report(runs, out, texts=texts)
    if as_json:
        emit({"files": [str(file) for file in files]})
    else:
        for file in files:
            say(file)


def score(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="A finished run's folder.", show_default=False)],
    scorers: Annotated[
        str,
        typer.Option(
            help="similar (sentence embeddings), judge (a language model), or both with a comma between.",
            autocompletion=complete.words("similar", "judge"),
        ),
    ] = "similar",
    llm: Llm = None,
    base_url: BaseUrl = None,
    at_once: AtOnce = 4,
    retries: Retries = 2,
    timeout: Timeout = 60.0,
    yes: Yes = False,
    home: Home = None,  # noqa: ARG001  (explained() sees to it)
    as_json: Json = False,
) -> None:
    """Have further scorers mark the answers of a finished run; the model is not asked again.

    The marks stand beside the raw outputs, as columns in summary.json and in the report, with how far scorers
    agree. `judge` says first what it will cost; what goes wrong there is an error, never a verdict, and is
    tried again by the same command. Needs the extra `llm`, and OPENAI_API_KEY where the server wants a key.

    Example: `monogram bench score out/first --scorers similar,judge --llm gpt-4o-mini`
    """
    from monogram.endpoint import Endpoint

    door, names = the_door(), listed(scorers)
    with _line(Endpoint(llm, base_url, None, retries, timeout), judged="judge" in names) as line:
        if line is not None and (todo := door.judging(run, line.model)).answers:
            what = (
                f"This asks {line.model} at {line.url} {counted(todo.answers, 'time')}: about "
                f"{todo.tokens_in:,} tokens in and {todo.tokens_out:,} out."
            )
            agree(what, yes=yes, as_json=as_json)
        with progress(as_json, "Scoring") as bars:
            told = door.score(run, names, line=line, at_once=at_once, progress=bars)
    if as_json:
        emit(told)
    else:
        _show(run, told)
    if any(sum(one["errors"].values()) for one in told.values()):
        raise typer.Exit(1)


@contextmanager
def _line(endpoint: Any, *, judged: bool) -> "Iterator[Line | None]":
    """An open line to the judge, if there is to be one."""
    if not judged:
        yield None
        return
    with endpoint.line() as line:
        yield line


def _show(run: Path, told: dict[str, Any]) -> None:
    for name, one in told.items():
        rows = [
            (pair, f"{found['raw']['value']:.2f}", _kappa(found["kappa"]), found["raw"]["n"])
            for pair, found in one["agreement"].items()
            if found["raw"]["n"]
        ]
        show_table(["scorers", "agree", "kappa", "n"], rows, title=f"{name}: {one['answers']} answers")
        if one["judging"]:
            spent = one["judging"]
            say(
                f"Asked {counted(spent['calls'], 'time')}, {spent['prompt_tokens']:,} tokens in, "
                f"{spent['completion_tokens']:,} out."
            )
        for scorer, count in one["errors"].items():
            if count:
                remark(f"{scorer}: {counted(count, 'error')}, no verdict. The same command tries again.")
    say(f"Columns of each scorer: {run / 'summary.md'}; a page: monogram bench report {run}")


def _kappa(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
