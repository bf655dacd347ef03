"""Somebody at a terminal: a process in a pty, what it shows, what is typed."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_LOGIN = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the pty the terminal that Ctrl-C comes from, then becomes the command."""
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x01|\x02|\r")


class Terminal:
    """What a process shows in a pty, as text without codes; and what is typed into it."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process, self.master = process, master
        self.shown, self._read = "", 0

    def until(self, text: str | re.Pattern[str], seconds: float = 60) -> str:
        """Wait until the text, or what fits a pattern, is shown; what was shown since the last wait."""
        wanted = re.compile(re.escape(text)) if isinstance(text, str) else text
        end = time.monotonic() + seconds
        while (found := wanted.search(self.shown, self._read)) is None:
            if time.monotonic() > end or not self._more(end - time.monotonic()):
                raise AssertionError(f"{text!r} was not shown in {seconds} s. Shown:\n{self.shown}")
        new, self._read = self.shown[self._read : found.end()], found.end()
        return new

    def type(self, keys: str) -> None:
        """Type keys, as they are: "\\x03" is Ctrl-C, "\\x04" Ctrl-D."""
        os.write(self.master, keys.encode())

    def ended(self, seconds: float = 60) -> int:
        """Wait for the end; the exit code."""
        end = time.monotonic() + seconds
        while self._more(0.2):
            if time.monotonic() > end:
                raise AssertionError(f"It did not end in {seconds} s. Shown:\n{self.shown}")
        return self.process.wait(max(end - time.monotonic(), 1))

    def _more(self, seconds: float) -> bool:
        """Read what is there; False when the process has ended and all is read."""
        ready, _, _ = select.select([self.master], [], [], min(max(seconds, 0), 0.2))
        if not ready:
            return self.process.poll() is None
        try:
            raw = os.read(self.master, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.shown += _CODES.sub("", raw.decode("utf-8", errors="replace"))
        return bool(raw)


@contextmanager
def terminal(command: Sequence[str], environment: dict[str, str]) -> Iterator[Terminal]:
    """Run a command in a terminal; it is killed at the end if it still runs."""
    master, slave = pty.openpty()
    there = [sys.executable, "-c", _LOGIN, *command]
    process = subprocess.Popen(there, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
