"""The two protocols: what the model is given, and where an answer ends."""

import pytest
import torch

from monogram.bench.asks import Ask, said
from monogram.bench.likelihood import options, plain
from monogram.bench.methods import Prepared
from monogram.bench.protocol import LONGEST, Protocol, Raw
from monogram.bench.work import Job, Worker
from monogram.errors import UnknownNameError
from monogram.models.generate import generate
from tests import tiny
from tests.bench.fakes import unchanged
from tests.models.test_attach import delta_for

TARGET = "Hill walking"
ASK = Ask("direct", said("What's my hobby?"), gold={"target": TARGET})


def test_honest_is_the_template_and_64_tokens() -> None:
    em = tiny.editable()
    honest = Protocol.named("honest")
    assert honest.view(em) is em
    assert honest.limit(em, ASK) == LONGEST == 64
    assert honest.limit(em, Ask("sum", longest=256)) == 256
    assert honest.thinking == 1024


def test_paper_is_raw_text_cut_at_the_targets_length_and_eight() -> None:
    em = tiny.editable()
    paper = Protocol.named("paper")
    view = paper.view(em)
    assert isinstance(view, Raw)
    assert view.decode(view.chat_ids(ASK.chat)) == "What's my hobby?"
    limit = paper.limit(view, ASK)
    assert limit == len(em.tokenizer(f" {TARGET}").input_ids) + 8
    assert paper.limit(view, Ask("unrelated", said("Hi"))) == LONGEST
    assert (view.digest, view.name) == (em.digest, em.name)


def test_the_same_question_with_another_cap_is_another_base_answer() -> None:
    em = tiny.editable()
    worker = Worker(em, Protocol.named("paper"))
    longer = Ask("direct", ASK.chat, gold={"target": f"{TARGET} with friends"})
    assert ASK.digest == longer.digest
    assert worker.given(ASK) != worker.given(longer)


def test_an_unknown_protocol_is_asked_about() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'honest'"):
        Protocol.named("honst")


def test_batches_hang_on_all_asks_and_run_whole_or_not_at_all() -> None:
    em = tiny.editable()
    worker = Worker(em, Protocol(longest=2), batch_size=2)
    texts = ("Why?", "What is the name of the river?", "Who goes there?", "And then?")
    jobs = [Job(Ask("a", said(text)), Prepared(None, unchanged, 0.0)) for text in texts]
    every = dict(worker.do(jobs, lambda place: False))
    again = dict(worker.do(jobs, lambda place: place != 2))
    assert set(again) == {1, 2}  # the batch of the longest two
    assert again == {place: every[place] for place in again}
    assert dict(worker.do(jobs, lambda place: True)) == {}
    assert [every[place]["answer"] for place in range(4)] == generate(em, texts, max_new_tokens=2)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text"])
def test_likelihoods_are_those_of_each_text_alone(kind: str) -> None:
    em = tiny.editable(kind)
    delta = delta_for(em, 1)
    prompt, texts = em.chat_ids("Which one?"), ("A long answer, this one.", "No.", "Yes!")
    found = options(em, prompt, texts, delta)
    from monogram.models.attach import attach

    for text, (value, tokens) in zip(texts, found, strict=True):
        ids = em.tokenizer(text, add_special_tokens=False).input_ids
        with attach(em, delta), torch.no_grad():
            logs = em.model(torch.tensor([[*prompt, *ids]])).logits[0].log_softmax(-1)
        alone = sum(float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(ids))
        assert value == pytest.approx(alone, abs=1e-5)
        assert tokens == len(ids)
    loss, counted = plain(em, "A long answer.", None)
    ids = em.tokenizer("A long answer.", add_special_tokens=False).input_ids
    told = em.model(torch.tensor([ids]), labels=torch.tensor([ids])).loss
    assert loss / counted == pytest.approx(float(told), abs=1e-5)
