"""Ctrl-C: noticed also where a library swallows it.

Python raises `KeyboardInterrupt` wherever it happens to be. In the middle of an import (numpy's, for one)
that may be lost, or come out as another error; so it is written down that it was pressed.
"""

import signal
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed and nobody has dealt with it yet."""

    def __init__(self) -> None:
        self.noticed = False

    def listen(self) -> None:
        """From now on, notice it, and raise `KeyboardInterrupt` as ever. Not where Ctrl-C is switched off."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._pressed)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if one was swallowed."""
        if self.noticed:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """From now on nothing can be interrupted: the program is ending."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _pressed(self, _signal: int, _frame: FrameType | None) -> None:
        self.noticed = True
        raise KeyboardInterrupt


interrupt = Interrupt()
"""The process's; there is one Ctrl-C."""
