"""The command line as a process of its own, with the compiler's double: `python -m tests.cli.program ...`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

from monogram import keeping
from monogram.cli import main
from tests.compiled import Compiler

Run = Callable[..., Result]
"""Words to a result; `expect` is the exit code, what else is named goes to `CliRunner.invoke`."""
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.cli.program"]


def environment(home: Path, **more: str) -> dict[str, str]:
    """For a process that runs the program from anywhere: one thread, no colours, this source."""
    told = {"MONOGRAM_HOME": str(home), "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "100", **more}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **told}


if __name__ == "__main__":
    double: Any = Compiler()
    keeping.compile_monogram = double
    main()
