"""Passes before the answer: taken together, taken in order, and every prompt of theirs is counted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from monogram.bench import passes as room
from monogram.bench import work
from monogram.bench.asks import Ask, said
from monogram.bench.facts import fact
from monogram.bench.meter import first_token, throughput
from monogram.bench.methods import Prepared, Prompted
from monogram.bench.passes import ready
from monogram.bench.protocol import Protocol
from monogram.bench.work import Job, Worker
from monogram.errors import ModelFetchError
from monogram.models import generate as writing
from monogram.models.chat import Message
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.prompting.registry import baseline
from monogram.prompting.retrieval import Retrieval
from tests import tiny
from tests.bench.fakes import unchanged
from tests.bench.records import item
from tests.models.test_attach import delta_for

THOUGHT = 4
CHAT = [{"role": "user", "content": "What now?"}]
OTHER = [{"role": "user", "content": "And then, what comes after that?"}]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (room, work):
        monkeypatch.setattr(module, "THOUGHT", THOUGHT)


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable()


def twice(delta: int | None, em: EditableModel) -> Prepared:
    """Asks in capitals first; then says what was written."""

    def loud(chat: Sequence[Message]) -> list[dict[str, str]]:
        return [{**m, "content": m["content"].upper()} for m in chat]

    def again(chat: Sequence[Message], written: Sequence[str]) -> list[dict[str, str]]:
        return [*unchanged(chat), {"role": "assistant", "content": written[0]}, *unchanged(chat)]

    return Prepared(None if delta is None else delta_for(em, delta), loud, 0.0, passes=2, again=again)


def test_each_conversation_goes_its_own_way_together_as_alone(em: EditableModel) -> None:
    once = Prepared(None, unchanged, 0.0)
    asked = [(twice(None, em), CHAT), (once, OTHER), (twice(3, em), OTHER)]
    together = ready(em, asked, batch_size=1)
    assert together == [ready(em, [one])[0] for one in asked]
    assert together[1].chat == OTHER
    written = generate(em, [[{"role": "user", "content": "WHAT NOW?"}]], max_new_tokens=THOUGHT)[0]
    assert together[0].chat == [CHAT[0], {"role": "assistant", "content": written}, CHAT[0]]
    assert together[2].chat[1] != ready(em, [(twice(None, em), OTHER)])[0].chat[1]  # its own delta wrote it


def test_the_prompts_of_all_passes_count(em: EditableModel) -> None:
    now, plain = ready(em, [(twice(None, em), CHAT), (Prepared(None, unchanged, 0.0), CHAT)])
    assert plain.extra_tokens == 0
    assert now.extra_tokens == len(
        em.chat_ids(now.chat)
    )  # the first one, in capitals, has as many as the question
    critic = Prompted(baseline("self-critic")).prepare([fact(item())])
    lengths = []
    written: list[str] = []
    for _ in range(3):
        chat = critic.again(CHAT, written) if written else critic.wrap(CHAT)
        lengths.append(len(em.chat_ids(chat)))
        written += generate(em, [chat], max_new_tokens=THOUGHT)
    assert ready(em, [(critic, CHAT)])[0].extra_tokens == sum(lengths) - len(em.chat_ids(CHAT))


def test_an_answer_is_the_last_passs_alone_and_the_next_token_is_its_first(em: EditableModel) -> None:
    prepared = Prompted(baseline("chain-of-thought")).prepare([fact(item())])
    worker = Worker(em, Protocol(longest=5), batch_size=2)
    asks = [Ask("direct", said("What now?")), Ask("next", how="next", chats=(said("What now?"),))]
    rows = dict(worker.do([Job(ask, prepared) for ask in asks], lambda _: False))
    last = ready(em, [(prepared, CHAT)])[0]
    assert rows[0]["answer"] == generate(em, [last.chat], max_new_tokens=5)[0]
    assert rows[0]["extra_tokens"] == last.extra_tokens
    assert rows[1]["kl"][0] > 0
    assert not Job(asks[0], prepared).untouched


def test_a_prompt_that_was_answered_is_not_answered_again(
    em: EditableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reminder, critic = (Prompted(baseline(n)).prepare([fact(item())]) for n in ("reminder", "self-critic"))
    worker = Worker(em, Protocol(longest=5), batch_size=2)
    asks = [Ask("direct", said("What now?")), Ask("product", said("Name a river."))]
    jobs = [Job(ask, reminder) for ask in asks]
    rows = dict(worker.do(jobs, lambda _: False))
    worker.known = {row["prompt"]: row["answer"] for row in rows.values()}
    written = []

    def counted(*args: Any, **more: Any) -> list[str]:
        written.extend(args[1])
        return generate(*args, **more)

    monkeypatch.setattr(work, "generate", counted)
    again = dict(worker.do(jobs, lambda _: False))
    assert again == {n: {k: v for k, v in row.items() if k != "prompt"} for n, row in rows.items()}
    assert written == []
    edited = replace(reminder, delta=delta_for(em, 3))
    for number, other in enumerate((critic, edited), start=1):  # not the base model's, and not the answer
        assert dict(worker.do([Job(asks[0], other)], lambda _: False))[0]["answer"] != rows[0]["answer"]
        assert len(written) == number
    longer = Worker(em, Protocol(longest=6))
    longer.known = worker.known
    assert len(dict(longer.do(jobs[:1], lambda _: False))[0]["answer"]) > len(rows[0]["answer"])


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What passes before the answer are given."""
    chats: list[Any] = []

    def counted(model: EditableModel, asked: list[Any], **more: Any) -> list[str]:
        chats.extend(asked)
        return generate(model, asked, **more)

    monkeypatch.setattr(room, "generate", counted)
    return chats


def test_a_draft_that_was_an_answer_is_not_written_again(em: EditableModel, written: list[Any]) -> None:
    reminder, critic = (Prompted(baseline(n)).prepare([fact(item())]) for n in ("reminder", "self-critic"))
    ask = Ask("direct", said("What now?"))
    for longest in (THOUGHT, THOUGHT + 1):  # as much as a pass may write, and more
        worker = Worker(em, Protocol(longest=longest))
        anew = dict(worker.do([Job(ask, critic)], lambda _: False))[0]
        row = dict(worker.do([Job(ask, reminder)], lambda _: False))[0]
        worker.known = {row["prompt"]: row["answer"]}
        del written[:]
        assert dict(worker.do([Job(ask, critic)], lambda _: False))[0] == anew
        assert len(written) == (1 if longest == THOUGHT else 2)


def test_passes_are_taken_once_for_answer_and_next_token(em: EditableModel, written: list[Any]) -> None:
    critic = Prompted(baseline("self-critic")).prepare([fact(item())])
    chats = tuple(said(text) for text in ("What now?", "Name a river.", "2 + 2?"))
    asks = [Ask("next", how="next", chats=chats, few=(2, 0)), *(Ask("unrelated", chat) for chat in chats[:2])]
    jobs = [Job(ask, critic) for ask in asks]
    whole = dict(Worker(em, Protocol(longest=5)).do(jobs, lambda _: False))
    assert len(written) == 2 * 3
    rest = dict(Worker(em, Protocol(longest=5)).do(jobs, lambda place: place > 0))  # it was stopped before
    assert rest == {0: whole[0]}  # to the bit


def test_a_method_that_writes_first_has_its_next_token_read_at_a_few_prompts(em: EditableModel) -> None:
    worker = Worker(em, Protocol(longest=5), batch_size=2)
    chats = tuple(said(text) for text in ("What now?", "Name a river.", "2 + 2?"))
    ask = Ask("next", how="next", chats=chats, few=(2, 0))
    several, once = (Prompted(baseline(name)).prepare([fact(item())]) for name in ("self-critic", "reminder"))
    rows = dict(worker.do([Job(ask, several), Job(ask, once)], lambda _: False))
    alone = dict(worker.do([Job(Ask("next", how="next", chats=(chats[2],)), several)], lambda _: False))
    assert len(rows[1]["kl"]) == len(rows[1]["agrees"]) == 3
    assert len(rows[0]["kl"]) == 2
    assert rows[0]["kl"][0] == pytest.approx(alone[0]["kl"][0])


def test_somebody_of_whom_nothing_is_known_is_asked_once(em: EditableModel) -> None:
    for name in ("chain-of-thought", "self-critic"):
        prepared = Prompted(baseline(name)).prepare([])
        assert prepared.passes == 1
        assert Job(Ask("direct", said("What now?")), prepared).untouched


def test_a_conversation_that_a_later_pass_would_make_too_long_is_not_begun() -> None:
    small = tiny.editable(max_position_embeddings=300)
    prepared = Prompted(baseline("self-critic")).prepare([fact(item())])
    job = Job(Ask("direct", said("What now?")), prepared)
    ((_, row),) = Worker(small, Protocol(longest=3)).do([job], lambda _: False)
    assert "the model takes 300 with the answer" in row["why"]


def test_a_question_that_a_later_pass_says_once_more_has_its_room() -> None:
    prepared = Prompted(baseline("chain-of-thought")).prepare([fact(item())])
    ask = Ask("direct", said("What should I do now, and what after that? " * 4))
    first = len(tiny.editable().chat_ids(prepared.wrap(ask.chat)))
    small = tiny.editable(max_position_embeddings=first + room.ROOM + 50)
    ((_, row),) = Worker(small, Protocol(longest=3)).do([Job(ask, prepared)], lambda _: False)
    assert "with the answer" in row["why"]


def test_people_in_a_batch_are_read_one_by_one(em: EditableModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def shared(*_args: Any) -> None:
        raise AssertionError("one reading stood for several people")

    monkeypatch.setattr(writing, "_read", shared)
    for prepared in (
        Prepared(None, unchanged, 0.0),
        Prompted(baseline("self-critic")).prepare([fact(item())]),
    ):
        assert throughput(em, prepared, 2) > 0
        assert first_token(em, prepared) > 0  # one alone has its first token after one pass


def test_what_cannot_be_had_fails_when_it_is_made_ready() -> None:
    def missing() -> Retrieval:
        raise ModelFetchError("The model 'minilm' is not here.")

    method = Prompted(Retrieval(missing))  # type: ignore[arg-type]
    with pytest.raises(ModelFetchError):
        method.prepare([fact(item())])
    assert method.prepare([]).wrap(CHAT) == CHAT
