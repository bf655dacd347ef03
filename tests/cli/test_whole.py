"""The whole chain, nothing doubled: a real editor on a tiny random model, from the command line on."""

import functools
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from monogram import keeping
from monogram.cli.app import app
from monogram.delta import load_adapter
from monogram.personalizer import compile_monogram
from tests import tiny

pytestmark = (
    pytest.mark.slow
)  # the corpus is read on the tiny model, three gentler edits are tried: 6 to 40 s


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    tiny.model(dtype=torch.float32).save_pretrained(path / "model")
    tiny.tokenizer().save_pretrained(path / "model")
    return path


def typed(home: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*words, "--home", str(home / "home"), "--json"])
    return result.exit_code, result.stdout, result.stderr


def test_an_edit_that_harms_is_refused_with_its_receipt(home: Path) -> None:
    words = ["add", "zoe", "-a", "hobby", "-t", "Chess", "--model", str(home / "model")]
    code, out, err = typed(home, *words, "--editor", "rome")  # with nothing to hold it against
    told = json.loads(err)["error"]
    assert (code, out, told["type"]) == (1, "", "EditRefusedError")
    assert told["receipt"]["top1"] < 0.9
    assert json.loads(typed(home, "list")[1]) == {"users": []}


def test_an_edit_goes_from_the_table_to_an_adapter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "compile_monogram", functools.partial(compile_monogram, check=False))
    model = ["--model", str(home / "model")]
    for target in ("Rome", "Boston"):
        code, out, err = typed(home, "add", "yan", "-a", "location", "-t", target, *model)
        assert (code, err) == (0, ""), err
    assert json.loads(out)["removed"][0]["target"] == "Rome"
    assert typed(home, "export", "yan", str(home / "yan"), *model)[0] == 0
    assert load_adapter(home / "yan").rank == 1
    assert typed(home, "ask", "yan", "Where do I live?", "--max-new-tokens", "4", *model)[0] == 0
    assert json.loads(typed(home, "forget", "yan", "location", *model)[1])["version"] == 3
