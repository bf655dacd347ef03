"""How a chat is heard and shown: on a terminal, through a pipe, or as JSON lines.

Answers go to stdout as they come, everything else to stderr; as JSON, all goes to stdout, a line for each. On
a terminal lines can be edited and called back. They are kept in memory only, for they are about a person.
"""

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import typer

from monogram.cli.output import complain, console, described, emit_line, plain, remark
from monogram.cli.progress import waiting

PROMPT = "you> "


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
        if self.alive:
            console().print(f"{plain(who)}> ", style=style, end="")
        try:
            for piece in pieces:
                typer.echo(plain(piece, lines=True), nl=False)
        finally:
            typer.echo()


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
