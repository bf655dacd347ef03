"""Preferences: what people type is brought into one form, or refused in one clear line."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monogram.errors import InputError, UnknownNameError
from monogram.preferences import Preference, Profile, check_user


def test_blanks_and_line_ends_do_not_matter() -> None:
    said = Preference.checked("  hobby ", "\tBird \n watching\u2028", "I like\r\nbirds. ")
    assert said == Preference("hobby", "Bird watching", "I like birds.")


def test_accents_typed_in_two_ways_are_one_preference() -> None:
    one, other = (
        Preference.checked("café", "x"),
        Preference.checked(unicodedata.normalize("NFD", "café"), "x"),
    )
    assert one == other
    assert one.digest == other.digest


def test_what_makes_a_preference_is_attribute_target_and_polarity() -> None:
    hiking = Preference.checked("Hobby", "Hiking", "I hike.")
    assert hiking.digest == Preference.checked("hobby", "Hiking", "Hiking is what I do.").digest
    assert len({hiking.digest, Preference("hobby", "hiking").digest, Preference("pet", "Hiking").digest}) == 3
    assert Preference("food", "Nuts").digest != Preference("food", "Nuts", polarity="avoids").digest


def test_a_digest_is_the_same_in_every_version() -> None:
    expected = "57bd7e90a54a38c05456ad141d0bb0089dbe921d45c5eaf5f4b54f4f78c7dd2b"
    assert Preference("hobby", "Hiking").digest == expected


@pytest.mark.parametrize("text", ["🧗", "👩‍👩‍👧", "写真", "الطبخ", "कुत्ता", "C++", "Zoë & Søren", "नहीं"])
def test_emoji_and_every_script_are_fine(text: str) -> None:
    assert Preference.checked("hobby", text).target == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("empty", ["", "   ", "\n\t", "\u200b", "\ufeff", "\u3000"])
def test_an_empty_target_or_attribute_is_refused(empty: str) -> None:
    with pytest.raises(InputError, match="The target is empty"):
        Preference.checked("hobby", empty)
    with pytest.raises(InputError, match="The attribute is empty"):
        Preference.checked(empty, "Hiking")


def test_ten_thousand_characters_are_refused_with_the_limit() -> None:
    long = "a" * 10_000
    for given_ in ((long, "x", ""), ("x", long, ""), ("x", "x", long)):
        with pytest.raises(InputError, match=r"has 10000 characters; at most 2000? can be kept"):
            Preference.checked(*given_)
    assert len(Preference.checked("a" * 200, "b" * 200, "c" * 2000).statement) == 2000


@pytest.mark.parametrize("bad", ["\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\ud800"])
def test_control_characters_are_refused_with_their_place(bad: str) -> None:
    with pytest.raises(InputError, match=rf"U\+{ord(bad[0]):04X}\) as character 3") as caught:
        Preference.checked("hobby", f"ab{bad}c")
    assert bad[0] not in str(caught.value)


def test_only_text_is_taken() -> None:
    with pytest.raises(InputError, match="must be text, but it is NoneType"):
        Preference.checked("hobby", None)  # type: ignore[arg-type]


def test_an_unknown_polarity_is_answered_with_the_three() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'avoids'"):
        Preference.checked("food", "Nuts", polarity="avoid")


@given(st.text(max_size=300))
def test_normal_form_is_reached_in_one_step(text: str) -> None:
    try:
        once = Preference.checked("hobby", text)
    except InputError:
        return
    assert Preference.checked("hobby", once.target) == once


def test_a_user_is_one_to_two_hundred_visible_characters() -> None:
    assert check_user("alice@example.org") == "alice@example.org"
    assert check_user("爱丽丝") == "爱丽丝"
    for bad in ("", " ", " alice", "alice\n", "al\x00ice", "a" * 201):
        with pytest.raises(InputError, match="The user"):
            check_user(bad)


def test_a_profile_is_a_person_and_what_is_true_of_them() -> None:
    assert Profile("alice").preferences == ()
