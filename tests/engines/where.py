"""Where the engines are that tests run for real: vLLM, Ray, llama.cpp, each in an environment of its own.

`make engines` makes them under `.engines/`; `MONOGRAM_ENGINES` names another folder.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python_of(engine: str) -> Path:
    """The interpreter that has an engine; without it the test is skipped, and says so."""
    folder = Path(os.environ.get("MONOGRAM_ENGINES", ROOT / ".engines"))
    python = folder / engine / "bin" / "python"
    if not (folder / engine / ".installed").exists():
        pytest.skip(f"NOT TESTED: {engine} is not installed (make engines)")
    return python
