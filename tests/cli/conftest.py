"""The command line typed by somebody: a tiny model in a folder, the compiler's double, a home of its own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from monogram.cli.app import app
from tests import tiny
from tests.cli.program import Run
from tests.compiled import Compiler

WITHOUT_MODEL = ("list", "history")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model")
    tiny.model(dtype=torch.float32).save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return str(path)


@pytest.fixture
def run(tmp_path: Path, folder: str, compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program in a home of its own; what takes a model gets the tiny one unless another is said."""
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "home"))

    def typed(*words: str, expect: int = 0, **more: Any) -> Result:
        model = [] if words[0] in WITHOUT_MODEL or "--model" in words else ["--model", folder]
        result = CliRunner().invoke(app, [words[0], *model, *words[1:]], **more)
        assert result.exit_code == expect, result.output
        assert "Traceback" not in result.output
        return result

    return typed
