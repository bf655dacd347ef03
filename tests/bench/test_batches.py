"""Answers are written together where they share a delta, each once, and never too much at a time."""

from typing import Any

import pytest

from monogram.bench import work
from monogram.bench.asks import Ask, said
from monogram.bench.methods import Prepared
from monogram.bench.protocol import Protocol
from monogram.bench.work import Job, Worker
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from tests import tiny
from tests.bench.fakes import unchanged
from tests.models.test_attach import delta_for


def test_a_batch_is_under_one_delta_and_no_answer_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable()
    owners = [Prepared(delta_for(em, seed), unchanged, 0.0) for seed in (1, 2)]
    owners.append(Prepared(None, unchanged, 0.0))
    chats = [said("word " * count) for count in (1, 40, 2, 3, 1)]
    jobs = [Job(Ask("direct", chat), owner) for chat in chats for owner in owners]
    batches = []

    def watched(model: EditableModel, asked: list[Any], *, deltas: list[Any], **more: Any) -> list[str]:
        batches.append((deltas, [len(model.chat_ids(chat)) for chat in asked]))
        return generate(model, asked, deltas=deltas, **more)

    monkeypatch.setattr(work, "generate", watched)
    longest = len(em.chat_ids(chats[1]))
    monkeypatch.setattr(work, "TOGETHER", 2 * longest)
    rows = dict(Worker(em, Protocol(longest=3), batch_size=3).do(jobs, lambda _: False))
    assert sorted(rows) == list(range(len(jobs)))
    for place, job in enumerate(jobs):
        alone = generate(em, [job.chat], deltas=job.prepared.delta, max_new_tokens=3)[0]
        assert rows[place]["answer"] == alone
    assert all(len({id(delta) for delta in deltas}) == 1 for deltas, _ in batches)
    assert sorted(len(lengths) for _, lengths in batches) == [2] * 3 + [3] * 3
    assert all(len(lengths) * max(lengths) <= 2 * longest for _, lengths in batches)
