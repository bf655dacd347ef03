"""How commands speak: plain lines and tables on stdout, remarks and errors on stderr, JSON when asked for.

Texts of people and models are shown, never obeyed: control characters become visible escapes, and rich's
markup is off.
"""

import functools
import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ParamSpec

import typer

from monogram.cli.interrupt import interrupt
from monogram.errors import DiskFullError, EditRefusedError, MonogramError
from monogram.files import is_disk_full, stays_in_cache

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

P = ParamSpec("P")
INTERRUPTED = 130
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""Characters that turn the direction of a line, or break it."""


def plain(text: object, *, lines: bool = False) -> str:
    """The text with control characters made visible, so that a terminal obeys none; keeps emoji and scripts.

    >>> plain("red: \\x1b[31m")
    'red: \\\\x1b[31m'
    """
    keep = "\n\t" if lines else ""
    shown = []
    for c in str(text):
        hidden = unicodedata.category(c) in ("Cc", "Cs") or c in _TURNS
        shown.append(c.encode("unicode_escape").decode("ascii") if hidden and c not in keep else c)
    return "".join(shown)


def say(line: object = "") -> None:
    """A line of the answer, on stdout."""
    typer.echo(plain(line, lines=True))


def remark(line: object) -> None:
    """A line beside the answer, on stderr."""
    typer.echo(plain(line, lines=True), err=True)


def emit(record: Mapping[str, Any]) -> None:
    """The answer for a machine, on stdout: one JSON object."""
    typer.echo(json.dumps(record, ensure_ascii=False, indent=2, sort_keys=False, default=str))


def emit_line(record: Mapping[str, Any]) -> None:
    """One of many answers for a machine, on stdout: a JSON object in one line."""
    typer.echo(json.dumps(record, ensure_ascii=False, default=str))


def console(*, err: bool = False) -> "Console":
    """A rich console that takes no markup."""
    from rich.console import Console

    return Console(stderr=err, markup=False, highlight=False, emoji=False)


def cell(text: object, bold: Iterable[str] = ()) -> "Text":
    """A text as a table takes it, with the words of `bold` made so."""
    from rich.text import Text

    made = Text(plain(text, lines=True))
    made.highlight_words([plain(word) for word in bold], style="bold green", case_sensitive=False)
    return made


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    ratios: Sequence[int] = (),
    err: bool = False,
) -> None:
    """A table on stdout (or stderr). Cells are texts, or what :func:`cell` made.

    With `ratios` it is as wide as the terminal, its columns in these proportions and its rows ruled.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title=plain(title) or None,
        box=box.ROUNDED if ratios else box.SIMPLE_HEAD,
        show_lines=bool(ratios),
        expand=bool(ratios),
        title_justify="left",
        title_style="bold",
    )
    for column, ratio in zip_longest(columns, ratios):
        made.add_column(column, overflow="fold", ratio=ratio)
    for row in rows:
        made.add_row(*(one if isinstance(one, Text) else cell(one) for one in row))
    console(err=err).print(made)


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """A command that ends with one clear line and exit code 1 where it fails for a reason we know.

    A `home` that was given is MONOGRAM_HOME for the length of it, for rooms that are not told.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            with _at_home(kwargs.get("home")):
                if "user" in kwargs and not as_json and (line := stays_in_cache()):
                    remark(line)
                command(*args, **kwargs)
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) or interrupt.noticed:
                remark("Interrupted. What was finished is kept; what was begun changed nothing.")
                raise typer.Exit(INTERRUPTED) from None
            if isinstance(error, BrokenPipeError) or not isinstance(error, MonogramError | OSError):
                raise
            _complain(error, as_json)
            raise typer.Exit(1) from None

    return run


@contextmanager
def _at_home(home: object) -> Iterator[None]:
    before = os.environ.get("MONOGRAM_HOME")
    if home is not None:
        os.environ["MONOGRAM_HOME"] = str(home)
    try:
        yield
    finally:
        if home is not None:
            os.environ.pop("MONOGRAM_HOME", None)
            if before is not None:
                os.environ["MONOGRAM_HOME"] = before


def _of_system(error: Exception) -> str:
    """What the operating system refused, and for which file."""
    name, reason = getattr(error, "filename", None), getattr(error, "strerror", None)
    if name is None or not reason:
        return str(error)
    shown = str(name) if len(str(name)) <= 200 else str(name)[:199] + "…"
    return f"{shown} cannot be used: {reason}. Check the path, and whether you may write there."


def _complain(error: Exception, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"error": described(error)}, ensure_ascii=False, default=str), err=True)
    else:
        complain(error)


def complain(error: Exception) -> None:
    """An error for people: one line on stderr."""
    typer.secho(f"Error: {described(error)['message']}", err=True, fg=typer.colors.RED)


def described(error: Exception) -> dict[str, Any]:
    """An error for machines: its type, its message in one line, and the receipt of a refused edit."""
    kind, message = type(error).__name__, str(error)
    if not isinstance(error, MonogramError):
        full = is_disk_full(error)
        kind = DiskFullError.__name__ if full else kind
        message = "No room is left on the disk. Make room and try again." if full else _of_system(error)
    record: dict[str, Any] = {"type": kind, "message": " ".join(plain(message, lines=True).split())}
    figures = getattr(error.receipt, "as_dict", None) if isinstance(error, EditRefusedError) else None
    if callable(figures):
        record["receipt"] = figures()
    return record
