"""`monogram vllm`: what a vLLM server is told, so that it serves this model's people and no others."""

import json
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from monogram.cli.app import app
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    tiny.model(dtype=torch.float32).save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return path


def run(folder: Path, *words: str, expect: int = 0) -> Result:
    home = str(folder.parent / "home")
    result = CliRunner().invoke(app, ["vllm", str(folder), "--home", home, *words])
    assert result.exit_code == expect, result.output
    return result


def test_it_says_model_digest_type_layer_and_what_vllm_was_given_besides(folder: Path) -> None:
    told = json.loads(run(folder, "--json", "--port", "9001", "--", "--enforce-eager").stdout)
    words = told["arguments"]
    assert words[-1] == "--enforce-eager"
    assert words[words.index("--model") + 1] == str(folder)
    assert words[words.index("--port") + 1] == "9001"
    assert words[words.index("--dtype") + 1] == "float32"
    assert words[words.index("--host") + 1] == "127.0.0.1"
    start = words.index("--lora-target-modules") + 1
    assert words[start:-1] == ["model.layers.2.mlp.down_proj", "model.layers.2.mlp.gate_up_proj"]
    environment = told["environment"]
    assert environment["VLLM_PLUGINS"] == "monogram"
    assert len(environment["MONOGRAM_BASE_DIGEST"]) == 64


def test_print_is_a_line_that_a_shell_understands(folder: Path) -> None:
    words = shlex.split(run(folder, "--print", "--layer", "1", "--rank", "8").stdout)
    assert "MONOGRAM_BASE_DIGEST" in words[2]
    assert words[3:6] == ["python", "-m", "vllm.entrypoints.openai.api_server"]
    assert "model.layers.1.mlp.down_proj" in words
    assert words[words.index("--max-lora-rank") + 1] == "8"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--rank", "7"], "vLLM knows no rank 7"),
        (["--layer", "99"], "Layer 99"),
        ([], "vLLM is not installed in this environment"),
    ],
)
def test_what_cannot_be_run_is_one_line(folder: Path, words: list[str], why: str) -> None:
    assert why in run(folder, *words, expect=1).stderr
