"""What the base model says next is its own choice, row by row, however the rows differ."""

import pytest
import torch

from monogram.models.editable import EditableModel
from monogram.models.going_on import going_on
from monogram.models.prefix import read_prefix
from tests import tiny

ROWS = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [14], [15, 16, 17]]


def alone(em: EditableModel, row: list[int], most: int, *, may_end: bool) -> list[int]:
    """One row, the whole of it in every step."""
    said: list[int] = []
    while len(said) < most and not (said and said[-1] in em.eos_ids):
        scores = em.model(torch.tensor([row + said]), use_cache=False).logits[0, -1]
        if not may_end:
            scores[list(em.eos_ids)] = -torch.inf
        said.append(int(scores.argmax()))
    return said


@pytest.mark.parametrize("kind", [*tiny.TABLE])
def test_each_row_goes_on_as_it_does_alone(kind: str) -> None:
    em = tiny.editable(kind)
    told = going_on(em, ROWS, 5, may_end=[True, False, True])
    for row, may_end, said in zip(ROWS, [True, False, True], told, strict=True):
        assert said == alone(em, row, 5, may_end=may_end)


@pytest.mark.parametrize("kind", [*tiny.TABLE])
@pytest.mark.parametrize("begun", [[[18, 19], [20, 21], [22, 23]], [[18, 19], [20, 21, 22], []]])
def test_what_was_begun_and_what_was_read_change_nothing(kind: str, begun: list[list[int]]) -> None:
    em, may_end = tiny.editable(kind), [True, False, True]
    whole = [row + more for row, more in zip(ROWS, begun, strict=True)]
    told = going_on(em, whole, 5, may_end=may_end)
    with torch.no_grad():
        read = read_prefix(em.model, [row[:-1] for row in ROWS])
    before = [(layer.keys.clone(), layer.values.clone()) for layer in read.layers]
    for _ in range(2):  # what was read is as it was
        assert going_on(em, ROWS, 5, may_end=may_end, begun=begun, read=read) == told
        for layer, (keys, values) in zip(read.layers, before, strict=True):
            assert torch.equal(layer.keys, keys)
            assert torch.equal(layer.values, values)
    assert going_on(em, ROWS, 5, may_end=may_end, begun=begun) == told


def test_an_end_is_the_last_token_where_it_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable()
    second = {said[1] for said in going_on(em, ROWS, 2, may_end=[True] * 3)}
    monkeypatch.setattr(type(em), "eos_ids", property(lambda _em: frozenset(second)))
    for row, said in zip(ROWS, going_on(em, ROWS, 4, may_end=[True] * 3), strict=True):
        assert said == alone(em, row, 4, may_end=True)
        assert said[-1] in second
        assert len(said) <= 2
    for said in going_on(em, ROWS, 4, may_end=[False] * 3):
        assert len(said) == 4
        assert not second & set(said)


def test_without_a_template_what_must_go_on_stays_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable(chat=False)
    usual = going_on(em, ROWS, 4, may_end=[False] * 3)
    breaks = frozenset(said[0] for said in usual)
    monkeypatch.setattr(type(em), "line_breaks", property(lambda _em: breaks))
    assert not any(breaks & set(said) for said in going_on(em, ROWS, 4, may_end=[False] * 3))
    assert going_on(em, ROWS, 1, may_end=[True] * 3) == [said[:1] for said in usual]
    chatty = tiny.editable()
    assert going_on(chatty, ROWS, 4, may_end=[False] * 3) == usual  # a template says where turns end


@pytest.mark.parametrize("token", ["\n", "\u010a", "<0x0A>", "\n\n"])
def test_line_breaks_are_found_however_a_vocabulary_writes_them(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = tiny.editable()
    monkeypatch.setattr(type(em.tokenizer), "get_vocab", lambda _self: {"a": 1, token: 7, "n": 3})
    assert em.line_breaks == {7}


def test_no_rows_are_no_answer() -> None:
    assert going_on(tiny.editable(), [], 3, may_end=[]) == []
