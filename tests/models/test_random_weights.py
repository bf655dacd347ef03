"""Random weights of a shape: the same by name, laid out like the embedded model."""

import pytest
import torch

from monogram.errors import ModelNotFoundError
from monogram.models.editable import EditableModel
from monogram.models.random_weights import SHAPES, drawn


def test_a_name_is_a_model_with_the_same_weights_each_time() -> None:
    before = torch.random.get_rng_state()
    one, again = (EditableModel.load("random:llama-64x2") for _ in range(2))
    assert one.digest == again.digest
    assert (one.width, one.inner, one.num_layers, one.dtype) == (64, 128, 2, torch.float32)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert EditableModel.load("random:llama-64x2:bfloat16").dtype == torch.bfloat16
    asked = [{"role": "user", "content": "What's my hobby?"}]
    assert one.chat_ids(asked) == EditableModel.load().chat_ids(asked)
    assert set(one.eos_ids) == set(EditableModel.load().eos_ids)


def test_published_shapes_have_their_models_sizes() -> None:
    published = {"llama-135m": 134.5, "llama-360m": 361.8, "llama-1b": 1235.8, "llama-3b": 3212.7}
    published["llama-8b"] = 8030.3  # millions of weights, as their authors count
    for name, count in published.items():
        assert _weights(name) / 1e6 == pytest.approx(count, rel=1e-3)


def _weights(name: str) -> int:
    """How many weights a shape has, by its sizes."""
    s = SHAPES[name]
    attention = 2 * s.width * s.width * (1 + s.shared / s.heads)
    layer = attention + 3 * s.width * s.inner + 2 * s.width
    return round(s.depth * layer + s.width * (1 + s.vocabulary * (1 if s.tied else 2)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("random:llama-2b", "Unknown shape 'llama-2b'. Did you mean 'llama-"),
        ("random:llama-100x2", "multiple of 64"),
        ("random:llama-64x0", "depth 1 at least"),
        ("random:llama-1b:int3", "Unknown type 'int3'"),
    ],
)
def test_what_has_no_shape_is_explained(name: str, told: str) -> None:
    with pytest.raises(ModelNotFoundError, match=told):
        drawn(name)
