"""Thinking is no part of the answer, and the answer's length counts after it."""

import pytest

from monogram.models.generate import generate
from monogram.models.thinking import Thinking
from tests import tiny

BEGIN, END = 7, 8


def test_the_limit_counts_after_the_thinking() -> None:
    thought = Thinking(BEGIN, END, most=5)
    assert thought.limit([1, 2], [3, 4], longest=2) == 2
    assert thought.limit([1, 2], [BEGIN, 3], longest=2) == 5
    assert thought.limit([1, BEGIN], [3, END, 4], longest=2) == 4
    assert thought.limit([BEGIN, END], [3], longest=2) == 2  # a closed thought in the prompt


@pytest.mark.parametrize(
    ("prompt", "made", "answer"),
    [
        ([1], [3, 4], [3, 4]),
        ([1], [BEGIN, 3, END, 4], [4]),
        ([BEGIN], [3, END, 4, 5], [4, 5]),
        ([BEGIN], [3, 4], []),  # it never ended
    ],
)
def test_the_answer_is_what_comes_after(prompt: list[int], made: list[int], answer: list[int]) -> None:
    assert Thinking(BEGIN, END, 5).answer(prompt, made) == answer


def test_only_who_has_the_tokens_thinks() -> None:
    assert Thinking.of(tiny.tokenizer(), 9) is None
    thinker = tiny.tokenizer()
    thinker.add_tokens(["<think>", "</think>"])
    assert Thinking.of(thinker, 0) is None
    found = Thinking.of(thinker, 9)
    assert found is not None
    assert found.most == 9


def test_a_model_that_never_stops_thinking_has_no_answer() -> None:
    em = tiny.editable(vocab_size=tiny.VOCAB + 2)
    em.tokenizer.add_tokens(["<think>", "</think>"])
    em.tokenizer.chat_template = tiny.TEMPLATE.replace(
        "assistant\n{% endif %}", "assistant\n<think>{% endif %}"
    )
    end = em.tokenizer.convert_tokens_to_ids("</think>")
    with_thinking = generate(em, ["Hi", "Ho"], max_new_tokens=3, thinking=6)
    as_it_is = generate(em, ["Hi", "Ho"], max_new_tokens=6)
    for short, long in zip(with_thinking, as_it_is, strict=True):
        ids = em.tokenizer(long, add_special_tokens=False).input_ids
        assert short == "" if end not in ids else long.partition("</think>")[2].startswith(short)
