"""An answer is shown as it settles, and ends where it should."""

import pytest

from monogram.models.generate import generate
from monogram.serving.sampling import Sampling
from monogram.serving.writer import Writer
from tests import tiny


def written(text: str, *stop: str, longest: int = 100) -> tuple[list[str], str | None]:
    """The pieces of a text whose tokens come one by one."""
    em = tiny.editable()
    writer = Writer(em, Sampling(max_tokens=longest, stop=stop), prompt=3)
    pieces = []
    for token in [*em.tokenizer(text, add_special_tokens=False).input_ids, min(em.eos_ids)]:
        pieces.append(writer.add(int(token)))
        if writer.reason is not None:
            break
    return pieces, writer.reason


SAID = "You like hill walking. You like tea."


def test_pieces_are_the_answer() -> None:
    em = tiny.editable()
    ids = em.tokenizer(SAID, add_special_tokens=False).input_ids
    pieces, reason = written(SAID)
    assert ("".join(pieces), reason) == (em.decode(ids).strip(), "stop")
    assert sum(map(bool, pieces)) > 3


@pytest.mark.parametrize("stop", ["walking", "tea", " You l", "zzz"])
def test_a_stop_text_ends_it_and_none_of_it_is_shown(stop: str) -> None:
    said = "".join(written(SAID)[0])
    pieces, reason = written(SAID, "qqq", stop)
    assert "".join(pieces) == said.partition(stop)[0].rstrip() or "".join(pieces) == said.partition(stop)[0]
    assert reason == "stop"


def test_it_is_as_long_as_it_may_be_and_the_context_bounds_it() -> None:
    pieces, reason = written(SAID, longest=2)
    assert (len(pieces), reason) == (2, "length")
    em = tiny.editable(max_position_embeddings=10)
    writer = Writer(em, Sampling(max_tokens=100), prompt=7)
    ids = em.tokenizer(SAID, add_special_tokens=False).input_ids
    while writer.reason is None:
        writer.add(int(ids[len(writer.made)]))
    assert (len(writer.made), writer.reason) == (3, "length")


def test_a_whole_answer_is_what_generate_says() -> None:
    em = tiny.editable()
    ids = em.chat_ids("What is my hobby?")
    assert generate(em, ["What is my hobby?"], max_new_tokens=5)[0] is not None
    assert len(ids) > 1
