"""The output head for some tokens alone: which ones, and that it is put back."""

import torch

from monogram.models.head import likeliest, of_tokens
from tests import tiny

LOGITS = torch.tensor([[0.0, 5.0, 4.0, -1.0, 0.5], [9.0, 0.0, 1.0, 2.0, -3.0]])


def test_the_likeliest_of_each_row_and_the_labels_once_each_in_order() -> None:
    assert likeliest(LOGITS, torch.tensor([4, 1]), 1).tolist() == [0, 1, 4]
    assert likeliest(LOGITS, torch.tensor([4, 1]), 2).tolist() == [0, 1, 2, 3, 4]
    assert likeliest(LOGITS, torch.tensor([1, 0]), 99).tolist() == [0, 1, 2, 3, 4]


def test_the_head_is_put_back_even_a_forward_that_was_another_librarys() -> None:
    model = tiny.model()
    head = model.lm_head
    own = head.forward
    head.forward = lambda states: own(states) + 1
    theirs, states = head.__dict__["forward"], torch.ones(1, tiny.WIDTH, dtype=torch.float64)
    with of_tokens(model, torch.tensor([3])):
        assert head(states).shape == (1, 1)
    assert head.__dict__["forward"] is theirs
    del head.__dict__["forward"]
    with of_tokens(model, torch.tensor([3])), of_tokens(model, None):
        torch.testing.assert_close(head(states), states @ head.weight[[3]].T)
    assert "forward" not in head.__dict__


def test_a_bias_goes_with_its_tokens() -> None:
    model = tiny.model("gptj")
    torch.nn.init.normal_(model.lm_head.bias)
    states = torch.randn(2, tiny.WIDTH, dtype=torch.float64)
    whole = model.lm_head(states)
    with of_tokens(model, torch.tensor([8, 2])):
        torch.testing.assert_close(model.lm_head(states), whole[:, [8, 2]])
