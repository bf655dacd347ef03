"""The command line: `monogram demo`, `add`, `ask`, `chat` and the others, each in a room of its own."""

import sys


def main() -> None:
    """What the console script `monogram` runs."""
    from monogram.cli.interrupt import interrupt

    interrupt.listen()
    try:
        from monogram.cli.app import app

        app(prog_name="monogram")
    except KeyboardInterrupt:  # before a command has begun
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    finally:
        interrupt.ignore()
