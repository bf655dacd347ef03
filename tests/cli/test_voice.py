"""On a terminal lines break between words, and nothing of an answer is lost by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from monogram.cli.voice import wrapped


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["The capital", " of Fr", "ance is Paris."], ["The ", "capital of ", "France is ", "Paris."]),
        (["One\n", "\nand ", "two"], ["One", "", "and two"]),
        (["donaudampfschifffahrt yes"], ["", "donaudampfschifffahrt", "yes"]),
        (["登山と温泉 と登山"], ["登山と温", "泉 と登山"]),
        (["登山と温", "泉"], ["登山と温", "泉"]),
        (["x" * 20, "x" * 20], ["", "x" * 40]),
        ([], []),
    ],
)
def test_a_line_ends_where_a_word_does(pieces: list[str], lines: list[str]) -> None:
    assert "".join(wrapped(pieces, 12, 4)).split("\n") == (lines or [""])


def test_words_are_shown_as_they_end_and_none_is_waited_for_too_long() -> None:
    pieces = ["A wo", "rd ", "登", "山", "x" * 30, "y"]
    assert list(wrapped(pieces, 80, 0)) == ["A ", "word ", "登", "山", "x" * 30, "y"]


@given(st.lists(st.text(alphabet="ab é登 \n", max_size=9)), st.integers(10, 30))
def test_nothing_is_lost_but_blanks_where_a_line_ends(pieces: list[str], width: int) -> None:
    shown, text = "".join(wrapped(pieces, width, 0)), "".join(pieces)
    assert "".join(shown.split()) == "".join(text.split())
    assert shown.count("\n") >= text.count("\n")
    for line in shown.split("\n"):
        assert cell_len(line) <= width or max(map(cell_len, line.split(" "))) > width
