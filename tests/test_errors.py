"""Errors: one tree, and names that nobody knows are answered with what was probably meant."""

import pytest

from monogram import errors
from monogram.errors import EditRefusedError, InputError, LayerError, MonogramError, did_you_mean, unknown


def _tree() -> list[type]:
    things = [thing for thing in vars(errors).values() if isinstance(thing, type)]
    return [thing for thing in things if thing.__module__ == errors.__name__]


def test_one_except_catches_everything_that_monogram_explains() -> None:
    assert all(issubclass(error, MonogramError) for error in _tree())


def test_the_docstring_draws_the_whole_tree() -> None:
    assert errors.__doc__ is not None
    assert [error.__name__ for error in _tree() if error.__name__ not in errors.__doc__] == []


def test_python_habits_still_work() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(LayerError, IndexError)


@pytest.mark.parametrize(
    ("said", "meant"), [("hoby", "hobby"), ("HOBBY", "hobby"), ("profesion", "profession"), ("dite", "diet")]
)
def test_a_misspelt_name_is_answered_with_the_nearest_and_the_list(said: str, meant: str) -> None:
    error = unknown("attribute", said, ["profession", "diet", "hobby"])
    assert f"Unknown attribute {said!r}. Did you mean {meant!r}?" in str(error)
    assert str(error).endswith("Known: diet, hobby, profession.")


def test_a_name_like_no_other_gets_the_list_without_a_guess() -> None:
    assert str(unknown("editor", "zzz", ["rome", "neuron"])) == "Unknown editor 'zzz'. Known: neuron, rome."


def test_nothing_known_is_said_so() -> None:
    assert str(unknown("user", "alice", [])) == "Unknown user 'alice'. No user is known yet."


def test_a_long_list_and_a_long_name_stay_readable() -> None:
    many = [f"attribute-{n:03}" for n in range(60)]
    assert did_you_mean("zzz", many).endswith("and 30 more.")
    assert len(str(unknown("user", "x" * 10_000, ["y"]))) < 200


def test_a_refusal_carries_its_receipt() -> None:
    receipt = {"leak": 0.5}
    assert EditRefusedError("It leaks.", receipt).receipt is receipt
