"""Statements come out of persona files and plain lines, each once, and what cannot be used is told."""

from pathlib import Path

import pytest

from monogram.dataset.statements import read
from monogram.errors import InputError


def wrote(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


CSV = """user 1 personas,user 2 personas,Best Generated Conversation
"I love pottery.
I live in Turku.","I have two dogs.
I love pottery","User 1: I love to ski.
User 2: Me too."
"I work as a glazier.","",""
"""


def test_personas_are_the_lines_of_two_columns_and_no_conversation(tmp_path: Path) -> None:
    found = read(wrote(tmp_path / "p.CSV", "\ufeff" + CSV))
    assert found.texts == ("I love pottery.", "I live in Turku.", "I have two dogs.", "I work as a glazier.")
    assert found.repeated == 1
    assert found.refused == ()


def test_lines_are_statements_too(tmp_path: Path) -> None:
    text = "I love pottery.\n\n  I live in Turku, by the sea. \r\nI LOVE  POTTERY!\nI like 寿司 a lot.\n"
    found = read(wrote(tmp_path / "p.txt", text))
    assert found.texts == ("I love pottery.", "I live in Turku, by the sea.", "I like 寿司 a lot.")


def test_what_cannot_be_kept_is_told_with_its_reason(tmp_path: Path) -> None:
    found = read(
        wrote(tmp_path / "p.txt", f"I am.\nI {'really ' * 400}do.\nI ring a \x07bell.\nI love pottery.")
    )
    assert found.texts == ("I love pottery.",)
    assert [reason.split(" ")[1] for _, reason in found.refused] == ["has", "statement", "statement"]
    assert all(len(statement) <= 200 for statement, _ in found.refused)


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("a.csv", b"name,age\nAnn,3\n", r"no column of personas; its columns are name, age"),
        ("a.csv", b"", "columns are none"),
        ("a.csv", b'personas\n"I love\n', "is no CSV"),
        ("a.csv", b"personas\n", "no statements"),
        ("a.txt", b"\n \n", "no statements"),
        ("a.txt", b"I love caf\xe9s", r"no UTF-8 text \(byte 10\)"),
    ],
)
def test_a_file_without_statements_is_one_clear_line(
    tmp_path: Path, name: str, raw: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=says):
        read(tmp_path / name)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read(tmp_path / "none.csv")
