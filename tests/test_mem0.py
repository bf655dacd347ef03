"""What mem0 gives becomes a profile: what the person said, oldest first, and nothing of the assistant."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monogram.errors import InputError
from monogram.mem0 import first_person, read_memories
from monogram.preferences import Preference

LIKE = re.compile(r"I (?:like|love|enjoy) (?:to )?(?P<target>.+)\.")
JOB = re.compile(r"I am an? (?P<target>[\w ]+)\.")


def read(sentence: str) -> Sequence[Preference]:
    """A small reader of plain sentences."""
    if found := LIKE.fullmatch(sentence):
        return [Preference.checked("hobby", found["target"], sentence)]
    if found := JOB.fullmatch(sentence):
        return [Preference.checked("job", found["target"], sentence, "fact")]
    return []


def memory(text: str, day: int = 1, **more: Any) -> dict[str, Any]:
    """An item as mem0 writes it."""
    return {
        "id": f"27d5b0c0-0000-4000-8000-{day:012}",
        "memory": text,
        "hash": "2d2c3f5b",
        "created_at": f"2026-11-{day:02}T09:00:00.123456-07:00",
        "updated_at": None,
        "user_id": "alice",
        **more,
    }


def written(tmp_path: Path, given: Any) -> Path:
    path = tmp_path / "mem0.json"
    path.write_text(json.dumps(given), encoding="utf-8")
    return path


ROWS = [
    memory("User likes to play cricket", 3),
    memory("Is a software engineer", 1),
    memory("Looking for a restaurant in San Francisco", 2),
    memory(
        "Vegetarian since 2020",
        4,
        metadata={"attribute": "diet", "target": "vegetarian", "polarity": "avoids"},
    ),
]


@pytest.mark.parametrize("given", [ROWS, {"results": ROWS}, {"count": 4, "next": None, "results": ROWS}])
def test_memories_become_preferences_oldest_first(tmp_path: Path, given: Any) -> None:
    found = read_memories(written(tmp_path, given), read=read)
    assert found.profile.user == "alice"
    assert [(p.attribute, p.target, p.polarity, p.statement) for p in found.profile.preferences] == [
        ("job", "software engineer", "fact", "Is a software engineer"),
        ("hobby", "play cricket", "likes", "User likes to play cricket"),
        ("diet", "vegetarian", "avoids", "Vegetarian since 2020"),
    ]
    assert found.empty == ("Looking for a restaurant in San Francisco",)
    assert (found.others, found.partial) == (0, False)


def test_a_memory_that_was_updated_is_as_new_as_its_update(tmp_path: Path) -> None:
    rows = [
        memory("User likes chess", 1, updated_at="2026-11-09T09:00:00+00:00"),
        memory("User likes golf", 5),
        memory("User likes judo", 7, created_at=None),
    ]
    found = read_memories(written(tmp_path, rows), read=read).profile.preferences
    assert [p.target for p in found] == ["judo", "golf", "chess"]


def test_what_an_assistant_said_is_left_alone(tmp_path: Path) -> None:
    rows = [
        memory("I like Inception.", role="assistant"),
        memory("User likes chess", role="user"),
        memory("I like golf.", attributed_to="assistant"),
    ]
    found = read_memories(written(tmp_path, rows), read=read)
    assert [p.target for p in found.profile.preferences] == ["chess"]
    assert found.others == 2


def test_people_are_never_mixed(tmp_path: Path) -> None:
    rows = [memory("User likes chess"), memory("User likes golf", user_id="bob"), {"memory": "Likes judo"}]
    path = written(tmp_path, rows)
    with pytest.raises(InputError, match=r"about 2 people \(alice, bob\)\. Say which one with --user"):
        read_memories(path, read=read)
    with pytest.raises(InputError, match="about 2 people"):
        read_memories(path, read=read, user="carol")
    found = read_memories(path, read=read, user="bob")
    assert [p.target for p in found.profile.preferences] == ["golf"]
    assert found.others == 2


def test_whose_they_are_can_be_said(tmp_path: Path) -> None:
    path = written(tmp_path, [{"memory": "Likes judo"}])
    with pytest.raises(InputError, match="no memory with a 'user_id'"):
        read_memories(path, read=read)
    assert read_memories(path, read=read, user="carol").profile.user == "carol"
    one = written(tmp_path, [memory("Likes judo")])
    found = read_memories(one, read=read, user="me").profile
    assert (found.user, found.preferences[0].target) == ("me", "judo")


def test_one_page_of_several_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, {"results": ROWS, "next": "page=2"})
    assert read_memories(path, read=read).partial


WRONG = {
    "no json": ("{", "line 1: this is no JSON"),
    "no list": ('{"memories": []}', "must be a list of memories, or have one as 'results'"),
    "no text": (
        '[{"memory": "Likes judo", "user_id": "a"}, {"text": "x"}]',
        "memory 2: there is no text 'memory'",
    ),
    "a number": ("[7]", "memory 1: there is no text 'memory'"),
    "bad user": ('[{"memory": "x", "user_id": " a"}]', "The user id ' a' begins or ends with a blank"),
    "bad metadata": (
        '[{"memory": "x", "user_id": "a", "metadata": {"attribute": "pet", "target": 7}}]',
        "memory 1: The target must be text, but it is int",
    ),
    "long": (json.dumps([memory("Likes " + "x" * 2000)]), "memory 1: The "),
    "deep": ("[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, case: str) -> None:
    text, says = WRONG[case]
    path = tmp_path / "mem0.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as told:
        read_memories(path, read=read)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ("User likes to play cricket", "I like to play cricket."),
        ("Loves to play cricket with friends", "I love to play cricket with friends."),
        ("Likes cheese pizza", "I like cheese pizza."),
        ("I really like cheese pizza", "I really like cheese pizza."),
        ("Name is John", "My name is John."),
        ("Is a Software engineer", "I am a Software engineer."),
        ("User is allergic to peanuts.", "I am allergic to peanuts."),
        (
            "Favourite movies are Inception and Interstellar",
            "My favourite movies are Inception and Interstellar.",
        ),
        ("The user's favorite color is blue", "My favorite color is blue."),
        ("User has a dog named Max", "I have a dog named Max."),
        ("User watches tennis with their wife", "I watch tennis with my wife."),
        ("Studies law", "I study law."),
        ("User passes every exam", "I pass every exam."),
        ("User doesn't drink alcohol", "I don't drink alcohol."),
        ("Looking for a restaurant in San Francisco", "Looking for a restaurant in San Francisco"),
        ("Bob lives in Rome", "Bob lives in Rome"),
        ("User", "User"),
        ("", ""),
    ],
)
def test_a_memory_is_read_as_the_person_would_say_it(memory: str, said: str) -> None:
    assert first_person(memory) == said
