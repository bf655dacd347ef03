"""Tokens are chosen as asked, each row by itself."""

import pytest
import torch

from monogram.errors import InputError
from monogram.serving.sampling import Sampling, choose, generator

LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.05, 0.15, 0.3, 0.5]]))


def drawn(sampling: Sampling, times: int = 400) -> list[int]:
    draw = generator(sampling)
    return [choose(LOGITS[:1], [sampling], [draw])[0] for _ in range(times)]


def test_at_temperature_0_it_is_the_likeliest() -> None:
    assert choose(LOGITS, [Sampling()] * 2, [None, None]) == [0, 3]


def test_a_seed_draws_the_same_again_whoever_stands_beside() -> None:
    wanted = Sampling(temperature=1.0, seed=7)
    assert drawn(wanted) == drawn(wanted)
    assert drawn(wanted) != drawn(Sampling(temperature=1.0, seed=8))
    draw = generator(wanted)
    beside = [choose(LOGITS, [wanted, Sampling()], [draw, None]) for _ in range(400)]
    assert [row[0] for row in beside] == drawn(wanted)
    assert {row[1] for row in beside} == {3}
    assert generator(Sampling(temperature=1.0)) is not None
    assert len({tuple(drawn(Sampling(temperature=1.0), 40)) for _ in range(3)}) == 3


def test_top_p_leaves_the_unlikely_out_and_temperature_flattens() -> None:
    assert set(drawn(Sampling(temperature=1.0, top_p=0.5, seed=1))) == {0}
    assert set(drawn(Sampling(temperature=1.0, top_p=0.79, seed=1))) == {0, 1}
    assert set(drawn(Sampling(temperature=1.0, seed=1))) == {0, 1, 2, 3}
    cold, hot = (drawn(Sampling(temperature=t, seed=1)).count(0) for t in (0.3, 2.0))
    assert cold > 320 > 180 > hot - 40


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": -0.1}, "from 0 to 2"),
        ({"temperature": float("nan")}, "from 0 to 2"),
        ({"top_p": 0.0}, "above 0 to 1"),
        ({"stop": ("a",) * 5}, "4 is the most"),
        ({"stop": ("",)}, "empty"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Sampling(**given)  # type: ignore[arg-type]
