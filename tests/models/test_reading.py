"""A model's files are read whole, or refused in one line."""

from pathlib import Path

import pytest
import torch

from monogram.errors import ModelFileError
from monogram.models.editable import EditableModel
from tests import tiny


def saved(folder: Path) -> Path:
    em = tiny.editable(dtype=torch.float32)
    em.model.save_pretrained(folder)
    em.tokenizer.save_pretrained(folder)
    return folder


def test_a_truncated_weights_file_is_one_clear_error(tmp_path: Path) -> None:
    path = saved(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(ModelFileError, match="Get"):
        EditableModel.load(str(tmp_path))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    em = tiny.editable(dtype=torch.float32)
    state = em.model.state_dict()
    del state["model.layers.1.mlp.down_proj.weight"]
    em.model.save_pretrained(tmp_path, state_dict=state)
    em.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(
        ModelFileError, match=r"lacks 1 of its weights, 'model.layers.1.mlp.down_proj.weight'"
    ):
        EditableModel.load(str(tmp_path))


def test_weights_of_another_shape_than_the_config_says_are_one_clear_error(tmp_path: Path) -> None:
    path = saved(tmp_path) / "config.json"
    path.write_text(path.read_text().replace(f'"intermediate_size": {tiny.INNER}', '"intermediate_size": 64'))
    says = r"has 9 weights of another shape .*'model.layers.0.mlp.down_proj.weight' first\."
    with pytest.raises(ModelFileError, match=says):
        EditableModel.load(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", '{"model_type": "nosuch"}'),
        ("tokenizer.json", '{"version": '),
        ("tokenizer.json", None),
        ("model.safetensors", None),
    ],
)
def test_every_broken_file_is_one_whole_sentence(tmp_path: Path, file: str, content: str | None) -> None:
    path = saved(tmp_path) / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(ModelFileError, match=r"[^.: ]\. Get its files again\.$") as found:
        EditableModel.load(str(tmp_path))
    assert "\n" not in str(found.value)
