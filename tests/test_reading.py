"""Readers by name, and conversations from files."""

import json
from pathlib import Path

import pytest

from monogram.clusters.llm import Llm
from monogram.clusters.nearest import Nearest
from monogram.clusters.rules import Rules
from monogram.errors import InputError, ModelFetchError, UnknownNameError
from monogram.reading import READERS, conversation, found, reader
from tests.models import wheels


def test_readers_go_by_name_and_a_reader_is_itself() -> None:
    assert (Rules.name, Nearest.name, Llm.name) == READERS
    rules = reader()
    assert isinstance(rules, Rules)
    assert reader(rules) is rules
    assert isinstance(reader("llm"), Llm)
    with pytest.raises(UnknownNameError, match="Did you mean 'embed'"):
        reader("embedd")


def test_embeddings_that_cannot_be_fetched_say_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels.only(tmp_path, monkeypatch)
    with pytest.raises(ModelFetchError, match="`monogram model pull minilm`"):
        reader("embed", home=tmp_path)


def test_what_is_found_is_at_least_one() -> None:
    assert [p.target for p in found("I love tea.", Rules())] == ["tea"]
    with pytest.raises(InputError, match=r"No preference was found.*Nothing was changed"):
        found("The sky is blue.", Rules())


def test_a_conversation_is_a_list_of_messages_or_holds_one(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "I love tea. ☕"}]
    for told in (messages, {"messages": messages, "model": "x"}):
        (tmp_path / "chat.json").write_text(json.dumps(told), encoding="utf-8")
        assert conversation(tmp_path / "chat.json") == messages


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b'"I love tea"', "holds no conversation"),
        (b"{}", "holds no"),
    ],
)
def test_a_file_that_is_none_is_one_clear_line(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "chat.json").write_bytes(content)
    with pytest.raises(InputError, match=says):
        conversation(tmp_path / "chat.json")
    with pytest.raises(InputError, match="There is no file"):
        conversation(tmp_path / "gone.json")
