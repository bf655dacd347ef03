"""A profile file says what is true of a person: read back exactly, and what is wrong in it is pointed at."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monogram.errors import InputError
from monogram.preferences import POLARITIES, Preference, Profile, check_user
from monogram.profiles import MAX_BYTES, parse_profile, profile_text, read_profile

ALICE = """\
# Alice
user: alice
preferences:
  - attribute: hobby
    target: Hiking
    said: I like to go hiking in my spare time.
  - {attribute: allergy, target: peanuts}
  - attribute: lucky number
    target: 007
    polarity: fact
  - attribute: answer
    target: no
"""


def test_a_file_by_hand_is_read_as_it_reads() -> None:
    found = parse_profile(ALICE)
    assert found.user == "alice"
    assert [(p.attribute, p.target, p.polarity) for p in found.preferences] == [
        ("hobby", "Hiking", "likes"),
        ("allergy", "peanuts", "avoids"),
        ("lucky number", "007", "fact"),
        ("answer", "no", "likes"),
    ]
    assert found.preferences[0].statement == "I like to go hiking in my spare time."


def test_the_readmes_example_is_one() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (hobby,) = parse_profile(text.split("```yaml\n")[1].split("```")[0]).preferences
    assert hobby == Preference("hobby", "Hiking", "I like to go hiking in my spare time.", "likes")


def test_what_is_written_is_pleasant_to_read() -> None:
    profile = Profile(
        "alice", (Preference("hobby", "Hiking 🥾", "I hike.", "likes"), Preference("pet", "no"))
    )
    assert profile_text(profile) == (
        "# What is true of a person. `monogram import` reads it.\n"
        "user: alice\n"
        "preferences:\n"
        "- attribute: hobby\n  target: Hiking 🥾\n  polarity: likes\n  said: I hike.\n"
        "- attribute: pet\n  target: 'no'\n  polarity: likes\n"
    )


NASTY = [
    "~",
    "null",
    "yes",
    "0x10",
    "1e3",
    "- a",
    "a: b",
    "#x",
    "&a",
    "*a",
    "!t",
    "'",
    '"',
    "{",
    "\u2028",
    "\x85",
]


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    def text(most: int) -> st.SearchStrategy[str]:
        return st.text(max_size=most) | st.sampled_from(NASTY) | st.lists(st.sampled_from(NASTY)).map("".join)

    try:
        user = check_user(draw(text(20)))
        preferences = tuple(
            Preference.checked(draw(text(20)), draw(text(20)), draw(text(300)), polarity)
            for polarity in draw(st.lists(st.sampled_from(POLARITIES), max_size=3))
        )
    except InputError:
        assume(False)
    return Profile(user, preferences)


@given(profiles())
def test_whatever_can_be_kept_is_read_back_exactly(profile: Profile) -> None:
    assert parse_profile(profile_text(profile)) == profile


def test_somebody_with_nothing_is_a_profile_too() -> None:
    assert parse_profile(profile_text(Profile("bob"))) == Profile("bob")


def test_whose_it_is_can_be_said_instead() -> None:
    assert parse_profile(ALICE, user="bob").user == "bob"
    assert parse_profile("preferences: []", user="bob").user == "bob"


ONE = "user: a\npreferences:\n- attribute: hobby\n  target: Chess\n"
WRONG = {
    "empty": ("", "line 1: here must be 'user: ...' and 'preferences: ...', but this is empty"),
    "a list": ("- a\n", "line 1: here must be 'user: ...' and 'preferences: ...', but this is a list"),
    "nobody": ("preferences: []\n", "line 1: there is no 'user'"),
    "bad user": ("user: ' a'\npreferences: []", "line 1: The user id ' a' begins or ends with a blank"),
    "no list": ("user: a\n", "line 1: there are no 'preferences'"),
    "text for a list": (
        "user: a\npreferences: many\n",
        "line 2: 'preferences' must be a list, but it is text",
    ),
    "nothing for a list": (
        "user: a\npreferences:\n",
        "line 2: 'preferences' must be a list, but it is empty",
    ),
    "text in the list": (
        "user: a\npreferences:\n- Chess\n",
        "line 3, preference 1: here must be 'attribute:",
    ),
    "unknown on top": ("users: a\n", "line 1: Unknown field 'users'. Did you mean 'user'?"),
    "unknown": (ONE + "  targt: x\n", "line 5, preference 1: Unknown field 'targt'. Did you mean 'target'?"),
    "twice": (ONE + "  target: x\n", "line 5, preference 1: the field 'target' is there twice"),
    "no target": (ONE + "- attribute: pet\n", "line 5, preference 2: there is no 'target'"),
    "no text": (ONE + "- attribute: pet\n  target: [a]\n", "line 6, preference 2: 'target' must be text"),
    "empty target": (ONE + "- attribute: pet\n  target:\n", "line 5, preference 2: The target is empty"),
    "polarity": (ONE + "  polarity: hates\n", "line 3, preference 1: Unknown polarity 'hates'"),
    "long": (ONE + f"  said: {'x' * 2001}\n", "line 3, preference 1: The statement has 2001 characters"),
    "no yaml": ("user: a\npreferences: [\n", "line 3: this is no YAML"),
    "two documents": (ONE + "---\n" + ONE, "line 5: this is no YAML"),
    "a tab": ("user: a\npreferences:\n\t- a\n", "line 3: this is no YAML"),
    "control": ("user: a\n\x1b[31m", r"line 2: a control character \(U\+001B\)"),
    "deep": ("[" * 100_000, "is nested too deeply"),
    "an object": ("!!python/object/apply:os.system ['true']", "line 1: here must be"),
    "a merge": ("user: a\n<<: {preferences: []}\n", "line 2: Unknown field '<<'"),
    "a bomb": ("a: &a [x]\nb: &b [*a, *a]\n", "line 1: Unknown field 'a'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(case: str) -> None:
    text, says = WRONG[case]
    with pytest.raises(InputError, match=f"^alice.yaml,? {says if '(' in says else re.escape(says)}") as told:
        parse_profile(text, name="alice.yaml")
    assert "\n" not in str(told.value)
    assert "\x1b" not in str(told.value)


def test_files_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.yaml cannot be read: No such file"):
        read_profile(tmp_path / "a.yaml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_profile(tmp_path)
    (tmp_path / "a.yaml").write_bytes(ALICE.encode() + b"\xff\n")
    with pytest.raises(InputError, match="line 13: this is not UTF-8"):
        read_profile(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="larger than 500,000 bytes"):
        read_profile(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + ALICE.replace("\n", "\r\n").encode())
    assert read_profile(tmp_path / "a.yaml") == parse_profile(ALICE)


def test_the_largest_file_is_read_in_seconds() -> None:
    one = "- attribute: hobby\n  target: Chess\n  said: I play.\n"
    text = "user: a\npreferences:\n" + one * ((MAX_BYTES - 30) // len(one))
    start = time.perf_counter()
    assert len(parse_profile(text).preferences) > 9000
    assert time.perf_counter() - start < 30  # about 3 s; a busy machine is forgiven
