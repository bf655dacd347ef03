"""A build says what last bits hang on, and threads are as they were."""

import pytest
import torch

from monogram.errors import InputError
from monogram.models.build import build, threads
from tests import tiny


def test_a_build_says_with_how_many_threads() -> None:
    em = tiny.editable()
    before = build(em)
    with threads(2):
        assert build(em) == before | {"threads": 2}
    assert build(em) == before
    assert before["torch"] == torch.__version__


def test_threads_are_as_they_were() -> None:
    before = torch.get_num_threads()
    with threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
    with pytest.raises(InputError), threads(2):
        raise InputError("in the middle")
    assert torch.get_num_threads() == before
