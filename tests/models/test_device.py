"""Models go where `MONOGRAM_DEVICE` says, or one line says why not."""

import pytest
import torch

from monogram.errors import ModelError
from monogram.models.device import chosen_device
from monogram.models.editable import EditableModel


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
