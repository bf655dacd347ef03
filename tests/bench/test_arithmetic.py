"""Counting arithmetic, against what can be counted by hand."""

import torch

from monogram.bench.arithmetic import Best, Counted
from tests import tiny


def test_products_are_counted_with_their_backward_pass() -> None:
    a, b = torch.ones(3, 5, requires_grad=True), torch.ones(5, 7)
    with Counted() as counted:
        product = a @ b
    assert counted.operations == 2 * 3 * 5 * 7
    assert counted.moved == 4 * (3 * 5 + 5 * 7 + 3 * 7)
    with Counted() as back:
        product.sum().backward()
    assert back.operations == 2 * 3 * 7 * 5  # by a alone: b takes no gradient
    with Counted() as none:
        _ = a + a
    assert none.operations == none.moved == 0


def test_a_model_pass_takes_two_operations_for_each_weight_and_token() -> None:
    em = tiny.editable()
    ids = torch.arange(12)[None] % em.model.config.vocab_size
    with Counted() as counted, torch.no_grad():
        em.model(input_ids=ids, use_cache=False)
    linear = sum(m.weight.numel() for m in em.model.modules() if isinstance(m, torch.nn.Linear))
    assert 2 * 12 * linear <= counted.operations <= 2.5 * 12 * linear  # attention's own products are the rest


def test_the_floor_is_the_slower_of_the_two() -> None:
    counted = Counted()
    counted.operations, counted.moved = 100, 30
    assert Best(operations=50, moved=10).seconds(counted) == 3
    assert Best(operations=20, moved=10).seconds(counted) == 5
    best = Best.of(tiny.editable())
    assert best.operations > 1e8
    assert best.moved > 1e8
