"""Models go where `MONOGRAM_DEVICE` says, as what `MONOGRAM_DTYPE` says, or one line says why not."""

from pathlib import Path

import pytest
import torch

from monogram.errors import ModelError
from monogram.models.device import chosen_device, chosen_dtype
from monogram.models.editable import EditableModel
from tests import tiny


def test_a_model_is_loaded_to_the_device_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOGRAM_DEVICE", "meta")
    assert EditableModel.load("random:llama-64x1").device.type == "meta"
    monkeypatch.setenv("MONOGRAM_DEVICE", "")
    assert EditableModel.load("random:llama-64x1").device == torch.device("cpu")


@pytest.mark.parametrize("name", ["cdua", "cuda:99", "hpu"])
def test_a_device_that_is_not_there_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOGRAM_DEVICE", name)
    with pytest.raises(
        ModelError, match=f"MONOGRAM_DEVICE is '{name}', which PyTorch cannot use here: .*Say cpu"
    ):
        chosen_device()


def test_a_model_is_loaded_as_the_type_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny.model(dtype=torch.float32).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    monkeypatch.setenv("MONOGRAM_DTYPE", "bfloat16")
    assert EditableModel.load(str(tmp_path)).dtype == torch.bfloat16
    assert EditableModel.load(str(tmp_path), dtype=torch.float32).dtype == torch.float32
    assert EditableModel.load("random:llama-64x1").dtype == torch.bfloat16
    monkeypatch.setenv("MONOGRAM_DTYPE", "float32")
    assert EditableModel.load("random:llama-64x1:bfloat16").dtype == torch.bfloat16
    monkeypatch.setenv("MONOGRAM_DTYPE", "")
    assert EditableModel.load(str(tmp_path)).dtype == torch.float32


def test_a_type_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOGRAM_DTYPE", "bf16")
    with pytest.raises(ModelError, match=r"MONOGRAM_DTYPE is 'bf16'\. Say float32 or bfloat16"):
        chosen_dtype()
