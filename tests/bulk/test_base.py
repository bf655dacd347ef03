"""A model's digest, known without loading it where nothing has changed."""

from pathlib import Path

import pytest
import torch

from monogram.bulk.base import base_digest
from monogram.models.editable import EditableModel
from tests import tiny


def test_a_digest_is_known_of_files_and_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, home, loads = str(tmp_path / "model"), tmp_path / "home", list[EditableModel]()
    tiny.model(dtype=torch.float32).save_pretrained(name)
    tiny.tokenizer().save_pretrained(name)

    def load() -> EditableModel:
        loads.append(EditableModel.load(name))
        return loads[-1]

    whole = [base_digest(name, load, home=home) for _ in range(2)]
    monkeypatch.setenv("MONOGRAM_DTYPE", "bfloat16")
    half = [base_digest(name, load, home=home) for _ in range(2)]
    assert whole == [loads[0].digest] * 2
    assert half == [loads[1].digest] * 2
    assert whole != half
    assert len(loads) == 2
