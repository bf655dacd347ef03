"""The engine writes what `generate` writes, whoever stands beside; and nobody waits for nobody."""

import asyncio
import threading
from typing import Any

import pytest
import torch

from monogram.errors import BusyError, InputError
from monogram.models.attach import attach
from monogram.models.generate import answer_text, generate
from monogram.serving.batch import Batch, Row
from monogram.serving.engine import Engine, Piece, twin
from monogram.serving.sampling import Sampling
from tests import tiny
from tests.models.test_attach import delta_for

ASKED = [f"What is my {word}?" for word in ("hobby", "job", "favourite food and drink of all", "pet", "car")]
GREEDY = Sampling(max_tokens=24)


@pytest.fixture(params=["llama", "gpt2", "gemma3_text"])
def em(request: pytest.FixtureRequest) -> Any:
    return tiny.editable(request.param)


def running(em: Any, **more: Any) -> Engine:
    engine = Engine(em, **more)
    engine.start()
    return engine


async def whole(
    engine: Engine, text: str, owner: Any = None, sampling: Sampling = GREEDY
) -> tuple[str, Piece]:
    pieces = [piece async for piece in engine.write(engine.model.chat_ids(text), owner, sampling)]
    return "".join(piece.text for piece in pieces), pieces[-1]


def all_of(engine: Engine, owners: list[Any], sampling: Sampling = GREEDY) -> list[str]:
    async def ask() -> list[tuple[str, Piece]]:
        return await asyncio.gather(
            *(whole(engine, t, o, sampling) for t, o in zip(ASKED, owners, strict=True))
        )

    return [text for text, _ in asyncio.run(ask())]


@pytest.mark.parametrize("rows", [1, 2, 64])
def test_everybody_gets_what_they_get_alone(em: Any, rows: int) -> None:
    owners = [delta_for(em, 1), None, delta_for(em, 2), delta_for(em, 1), None]
    alone, other = (
        [generate(em, [t], deltas=[o], max_new_tokens=24)[0] for t, o in zip(ASKED, whose, strict=True)]
        for whose in (owners, owners[::-1])
    )
    assert len({*alone, *other}) > 3
    digest = em.weights_digest()
    engine = running(em, rows=rows)
    try:
        assert all_of(engine, owners) == alone
        assert all_of(engine, owners[::-1]) == other
    finally:
        engine.close()
    assert em.weights_digest() == digest
    assert not any(module._forward_hooks for module in em.model.modules())


def test_rows_come_and_go_while_others_are_written(em: Any) -> None:
    owner = delta_for(em, 3)
    limits = [3, 40, 9, 25, 14]
    alone = [
        generate(em, [t], deltas=[owner], max_new_tokens=n)[0] for t, n in zip(ASKED, limits, strict=True)
    ]

    async def ask(engine: Engine) -> list[tuple[str, Piece]]:
        tasks = []
        for text, longest in zip(ASKED, limits, strict=True):
            tasks.append(asyncio.create_task(whole(engine, text, owner, Sampling(max_tokens=longest))))
            await asyncio.sleep(0.01)
        return await asyncio.gather(*tasks)

    engine = running(em, rows=3)
    try:
        told = asyncio.run(ask(engine))
    finally:
        engine.close()
    assert [text for text, _ in told] == alone
    for (_, last), longest in zip(told, limits, strict=True):
        assert last.tokens <= longest
        assert (last.reason == "length") == (last.tokens == longest)


def test_who_comes_later_joins_who_is_being_written(em: Any) -> None:
    owners = [delta_for(em, 1), delta_for(em, 2), None]
    alone = [
        generate(em, [t], deltas=[o], max_new_tokens=24)[0] for t, o in zip(ASKED[:3], owners, strict=True)
    ]
    rows = [Row(em.chat_ids(t), o, GREEDY) for t, o in zip(ASKED[:3], owners, strict=True)]
    made: dict[int, list[int]] = {id(row): [] for row in rows}
    batch = Batch.begin(em, rows[:1])
    for later in rows[1:]:
        for row, token in zip(batch.rows, batch.tokens, strict=True):
            made[id(row)].append(token)
        batch.step()
        batch.close()
        batch.join(Batch.begin(em, [later]))
    assert batch.rows == rows
    for _ in range(24):
        for row, token in zip(batch.rows, batch.tokens, strict=True):
            made[id(row)].append(token)
        batch.step()
    batch.close()
    said = [made[id(row)] for row in rows]
    ended = [ids[: next((n for n, i in enumerate(ids[:24]) if i in em.eos_ids), 24)] for ids in said]
    assert [answer_text(em, ids) for ids in ended] == alone


def test_one_more_than_may_wait_is_refused_and_a_long_prompt_explained() -> None:
    em = tiny.editable(max_position_embeddings=64)
    engine = Engine(em, queue=2)  # not started: all of them wait
    for _ in range(2):
        engine.submit([1, 2], None, GREEDY, print)
    with pytest.raises(BusyError, match="2 requests wait already"):
        engine.submit([1, 2], None, GREEDY, print)
    with pytest.raises(InputError, match="64 tokens; model 'tiny-llama' takes 64"):
        engine.submit([1] * 64, None, GREEDY, print)


def test_who_stops_listening_makes_room() -> None:
    em = tiny.editable()
    engine = running(em, rows=1)

    async def ask() -> str:
        stream = engine.write(em.chat_ids(ASKED[0]), None, Sampling(max_tokens=400))
        await anext(stream)
        await stream.aclose()
        return (await whole(engine, ASKED[1]))[0]

    try:
        assert asyncio.run(ask()) == generate(twin(em), [ASKED[1]], max_new_tokens=24)[0]
        assert (engine.load.running, engine.load.waiting) == (0, 0)
    finally:
        engine.close()


def test_closing_finishes_what_was_begun_and_takes_no_more() -> None:
    em = tiny.editable()
    engine, told, done = running(em), list[Any](), threading.Event()
    engine.submit(em.chat_ids(ASKED[0]), None, GREEDY, lambda p: (told.append(p), p.reason and done.set()))
    engine.close()
    assert done.is_set()
    assert told[-1].reason in ("stop", "length")
    with pytest.raises(BusyError, match="shutting down"):
        engine.submit([1], None, GREEDY, print)


def test_an_error_reaches_those_who_wait_and_nobody_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable()
    engine = running(em)
    real = em.model.forward
    monkeypatch.setattr(em.model, "forward", lambda **_: (_ for _ in ()).throw(RuntimeError("out of memory")))
    try:
        with pytest.raises(RuntimeError, match="out of memory"):
            asyncio.run(whole(engine, ASKED[0]))
        monkeypatch.setattr(em.model, "forward", real)
        assert asyncio.run(whole(engine, ASKED[0]))[0] == generate(twin(em), [ASKED[0]], max_new_tokens=24)[0]
    finally:
        engine.close()


def test_a_reader_that_cannot_be_told_does_not_hurt_the_others() -> None:
    em = tiny.editable()
    engine = running(em)

    def broken(_: Any) -> None:
        raise RuntimeError("no loop")

    try:
        engine.submit(em.chat_ids(ASKED[1]), None, GREEDY, broken)
        assert asyncio.run(whole(engine, ASKED[0]))[0] == generate(twin(em), [ASKED[0]], max_new_tokens=24)[0]
    finally:
        engine.close()


def test_a_twin_has_the_same_weights_and_none_of_the_hooks(em: Any) -> None:
    other = twin(em)
    mine, theirs = dict(em.model.named_parameters()), dict(other.model.named_parameters())
    assert all(mine[name].data_ptr() == theirs[name].data_ptr() for name in mine)
    ids = torch.tensor([em.chat_ids(ASKED[0])])
    with torch.no_grad():
        before = em.model(ids).logits
        with attach(other, delta_for(em, 1)):
            assert torch.equal(em.model(ids).logits, before)
            assert not torch.equal(other.model(ids).logits, before)
    assert other.digest == em.digest == other.weights_digest()
