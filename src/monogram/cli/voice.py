"""How a chat is heard and shown: on a terminal, through a pipe, or as JSON lines.

Answers go to stdout as they come, everything else to stderr; as JSON, all goes to stdout, a line for each. On
a terminal lines can be edited and called back. They are kept in memory only, for they are about a person.
"""

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import typer

from monogram.cli.output import complain, console, described, emit_line, plain, remark
from monogram.cli.progress import waiting

PROMPT = "you> "
_SIGNS = r"\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uff60"
_PARTS = re.compile(rf"\s|[{_SIGNS}]|[^\s{_SIGNS}]+")
"""Blanks, words, and signs of scripts that have no blanks: a line may end between any two."""
LONG = 24
"""A word that is longer than this is shown before it has ended."""


class Voice:
    """Hears lines and shows what comes of them.

    Attributes:
        as_json: JSON lines instead of texts.
        alive: whether somebody sits at a terminal.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # a line that is no UTF-8 is read as well as can be
        self.alive = not as_json and sys.stdin.isatty() and sys.stdout.isatty()

    def hear(self) -> str:
        """The next line.

        Raises:
            EOFError: there are no more.
        """
        if self.alive:
            try:
                return input(PROMPT)
            except (EOFError, KeyboardInterrupt):
                remark("")  # the line that was begun ends here
                raise
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    def tell(self, record: Mapping[str, Any], *lines: str) -> None:
        """Something beside the answers: a record for machines, lines for people."""
        if self.as_json:
            emit_line(record)
        for line in () if self.as_json else lines:
            remark(line)

    def complain(self, error: Exception) -> None:
        """What went wrong; the chat goes on."""
        if self.as_json:
            emit_line({"type": "error", "error": described(error)})
        else:
            complain(error)

    def thinking(self) -> AbstractContextManager[None]:
        """While the first word is awaited."""
        return waiting("Reading") if self.alive else nullcontext()

    def speak(self, who: str, pieces: Iterable[str], *, style: str) -> None:
        """Show an answer as it comes, and who gives it."""
        if self.as_json:
            for _ in pieces:
                pass
            return
        shown: Iterable[str] = (plain(piece, lines=True) for piece in pieces)
        if self.alive:
            name = f"{plain(who)}> "
            console().print(name, style=style, end="")
            shown = wrapped(shown, console().width, len(name))
        try:
            for piece in shown:
                typer.echo(piece, nl=False)
        finally:
            typer.echo()


def wrapped(pieces: Iterable[str], width: int, column: int) -> Iterator[str]:
    """The pieces with lines broken between words; a word is held back until it has ended.

    Args:
        pieces: of a text.
        width: of the terminal, in cells.
        column: where the text begins.
    """
    from rich.cells import cell_len

    held = ""
    for piece in chain(pieces, [None]):
        parts = _PARTS.findall(held + (piece or ""))
        last = parts[-1] if parts and piece is not None else " "
        held = parts.pop() if last < "\u2e80" and not last.isspace() and len(last) <= LONG else ""
        out = ""
        for part in parts:
            size = cell_len(part)
            if part == "\n":
                out, column = f"{out}\n", 0
                continue
            if column and column + size > width:
                out, column = f"{out}\n", 0
                if part.isspace():  # the end of the line stands for it
                    continue
            out += part
            column += size
        if out:
            yield out


def editable_lines(complete: Callable[[str], list[str]]) -> None:
    """Let lines on the terminal be edited, called back and completed, where there is a readline.

    Args:
        complete: what a line that was begun could become.
    """
    try:
        import readline
    except ImportError:  # Windows, whose terminal edits lines by itself
        return

    def nth(_word: str, state: int) -> str | None:
        found = complete(readline.get_line_buffer())
        return found[state] if state < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(nth)
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
