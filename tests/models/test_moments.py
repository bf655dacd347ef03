"""Moments are those of a plain pass over the text, cost less, and are kept until something changes."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram import tensors as disk
from monogram.errors import DiskFullError, InputError, LayerError
from monogram.models import moments as room
from monogram.models import texts
from monogram.models.build import threads
from monogram.models.editable import EditableModel
from monogram.models.moments import Moments, moments, samples
from tests import tiny

CHATS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, you."}],
    [
        {"role": "system", "content": "Brief."},
        {"role": "user", "content": "Name a tree, any tree at all."},
        {"role": "assistant", "content": "Oak"},
        {"role": "user", "content": "Another?"},
        {"role": "assistant", "content": "Ash, then."},
    ],
    [{"role": "user", "content": "And now?"}],
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, CHATS)), encoding="utf-8")
    return path


def read(em: EditableModel, corpus: Path | None, home: Path, layer: int = 1, **more: Any) -> Moments:
    return moments(em, layer, corpus=corpus, home=home, **({"least": 100} | more))


def cached(home: Path) -> list[Path]:
    return sorted((home / "cache" / "moments").iterdir())


def same(one: Moments, other: Moments) -> bool:
    names = ("second", "activity", "inputs", "starts")
    equal = all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)
    return equal and (one.layer, one.tokens) == (other.layer, other.tokens)


def brute(em: EditableModel, layer: int, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and inputs at every position, one row at a time, by the whole model."""
    keys, inputs = [], []
    names = em.names(layer)
    down, up = em.module(names["down"]), em.module(names["up"])
    handles = [
        down.register_forward_pre_hook(lambda _m, args: keys.append(args[0][0])),
        up.register_forward_pre_hook(lambda _m, args: inputs.append(args[0][0])),
    ]
    with torch.no_grad():
        for row in rows:
            em.model(torch.tensor([row]))
    for handle in handles:
        handle.remove()
    return torch.cat(keys), torch.cat(inputs)


def written(em: EditableModel) -> tuple[list[list[int]], list[list[int]]]:
    """The chats as rows of tokens, by hand, and where answers start in them."""
    end = 4  # <|im_end|>

    def said(text: str) -> list[int]:
        return list(em.tokenizer(text, add_special_tokens=False).input_ids)

    first = em.chat_ids(CHATS[0][:1]) + said("Hello, you.") + [end]
    second = em.chat_ids(CHATS[1][:4]) + said("Ash, then.") + [end]
    third = em.chat_ids(CHATS[2])
    starts = [
        [len(em.chat_ids(CHATS[0][:1])) - 1],
        [len(em.chat_ids(CHATS[1][:2])) - 1, len(em.chat_ids(CHATS[1][:4])) - 1],
        [len(third) - 1],
    ]
    return [first, second, third], starts


@pytest.mark.parametrize("kind", [*tiny.TABLE, "stablelm"])
def test_they_are_those_of_a_plain_pass_over_the_text(kind: str, corpus: Path, tmp_path: Path) -> None:
    em = tiny.editable(kind)
    found = read(em, corpus, tmp_path, layer=1)
    rows, starts = written(em)
    keys, inputs = brute(em, 1, rows)
    assert found.layer == 1
    assert found.tokens == len(keys) == sum(map(len, rows))
    near = {"rtol": 1e-6, "atol": 1e-7} if kind in ("gemma2", "gptj") else {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(found.second, keys.T @ keys / len(keys), **near)
    torch.testing.assert_close(found.activity, keys.abs().mean(0), **near)
    offsets = [0, len(rows[0]), len(rows[0]) + len(rows[1])]
    at = [offset + s for offset, row in zip(offsets, starts, strict=True) for s in row]
    others = [i for i in range(len(keys)) if i not in at]
    torch.testing.assert_close(found.starts, inputs[at].float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.inputs, inputs[others].float(), rtol=1e-5, atol=1e-6)


def test_eager_attention_in_float64_survives_rows_of_many_lengths(corpus: Path, tmp_path: Path) -> None:
    em = tiny.editable("gemma3_text")
    em.model.set_attn_implementation("eager")
    found = read(em, corpus, tmp_path)
    keys, _ = brute(em, 1, written(em)[0])
    torch.testing.assert_close(found.second, keys.T @ keys / len(keys), rtol=1e-5, atol=1e-6)


def test_batches_of_any_size_give_the_same(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = read(tiny.editable(), corpus, tmp_path / "a")
    monkeypatch.setattr(room, "BATCH", 1)
    other = read(tiny.editable(), corpus, tmp_path / "b")
    torch.testing.assert_close(one.second, other.second, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(one.inputs, other.inputs)


def test_samples_are_spread_evenly_over_the_text(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(tiny.editable(), corpus, tmp_path / "a").inputs
    monkeypatch.setattr(room, "SAMPLES", 20)
    few = read(tiny.editable(), corpus, tmp_path / "b").inputs
    torch.testing.assert_close(few, whole[[j * len(whole) // 20 for j in range(20)]])


def test_layers_above_never_run(corpus: Path, tmp_path: Path) -> None:
    em, ran = tiny.editable(), []
    for i, layer in enumerate(em.model.model.layers):
        layer.register_forward_pre_hook(lambda _m, _a, i=i: ran.append(i))
    em.model.lm_head.register_forward_pre_hook(lambda *_: ran.append(99))
    read(em, corpus, tmp_path, layer=1)
    assert set(ran) == {0, 1}


def test_the_second_time_nothing_runs(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(tiny.editable(), corpus, tmp_path)
    monkeypatch.setattr(room, "_read", lambda *_: pytest.fail("read again"))
    assert same(first, read(tiny.editable(), corpus, tmp_path))


def test_another_model_layer_corpus_template_or_build_is_read_for_itself(
    corpus: Path, tmp_path: Path
) -> None:
    read(tiny.editable(), corpus, tmp_path)
    read(tiny.editable(seed=1), corpus, tmp_path)
    read(tiny.editable(), corpus, tmp_path, layer=2)
    read(tiny.editable(chat=False), corpus, tmp_path)
    read(tiny.editable(), corpus, tmp_path, least=101)
    with threads(2):  # sums are split otherwise
        read(tiny.editable(), corpus, tmp_path)
    corpus.write_text(json.dumps(CHATS[1]), encoding="utf-8")
    read(tiny.editable(), corpus, tmp_path)
    assert len(cached(tmp_path)) == 7


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_is_made_anew(
    harm: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = tiny.editable()
    first = read(em, corpus, tmp_path)
    (path,) = cached(tmp_path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes({"cut": whole[:-9], "flip": flipped, "empty": b"", "other": b"?" * 99}[harm])
    assert same(first, read(em, corpus, tmp_path))
    assert cached(tmp_path) == [path]
    monkeypatch.setattr(room, "_read", lambda *_: pytest.fail("read again"))
    assert same(first, read(em, corpus, tmp_path))


def test_a_full_disk_leaves_nothing_behind(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_tensors: Any, path: Path, **_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "save_file", full)
    with pytest.raises(DiskFullError, match="Make room"):
        read(tiny.editable(), corpus, tmp_path)
    assert cached(tmp_path) == []


def test_a_small_corpus_is_extended_by_the_models_own_answers(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "AT_ONCE", 3)
    monkeypatch.setattr(texts, "OWN_TOKENS", 5)
    em = tiny.editable()
    plain = read(em, corpus, tmp_path)
    steps: list[str] = []
    more = read(em, corpus, tmp_path, least=plain.tokens + 1, progress=lambda what, *_: steps.append(what))
    prompts = texts.lines("prompts.txt")[:3]
    rows = written(em)[0]
    for prompt, answer in zip(prompts, texts.generate(em, prompts, max_new_tokens=5), strict=True):
        rows.append(em.chat_ids(prompt) + em.tokenizer(answer, add_special_tokens=False).input_ids + [4])
    keys, _ = brute(em, 1, rows)
    assert more.tokens == len(keys)
    torch.testing.assert_close(more.second, keys.T @ keys / len(keys), rtol=1e-10, atol=1e-12)
    assert steps == ["asking the model for text", "reading ordinary text"]


def test_the_models_own_answers_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "OWN_ANSWERS", 4)
    monkeypatch.setattr(texts, "OWN_TOKENS", 2)
    path = tmp_path / "small.txt"
    path.write_text("One line.", encoding="utf-8")
    found = read(tiny.editable(), path, tmp_path, least=10**6)
    assert found.starts.shape == (4, tiny.WIDTH)


def test_a_large_corpus_is_read_as_far_as_needed(tmp_path: Path) -> None:
    found = read(tiny.editable(), None, tmp_path, least=300)
    assert 1200 <= found.tokens < 1200 + texts.LONGEST


def test_the_projects_own_corpus_serves_by_default(tmp_path: Path) -> None:
    em = tiny.editable()
    found = moments(em, 0, home=tmp_path)
    assert found.tokens >= 10 * tiny.INNER
    assert len(found.starts) >= 1
    assert found.second.shape == (tiny.INNER, tiny.INNER)


@pytest.mark.parametrize("own", [False, True])
def test_samples_of_many_layers_are_those_of_each_to_the_bit(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = tiny.editable()
    monkeypatch.setattr(room, "PLENTY", 1)
    if own:  # a corpus that is too small, so that the model answers, too
        some = texts.corpus_rows(em, None, 50)
        monkeypatch.setattr(room, "corpus_rows", lambda *_: list(some))
        monkeypatch.setattr(room, "PER_NEURON", 10)
    for found in samples(em, [2, 0]):
        alone = moments(em, found.layer, home=tmp_path)
        assert torch.equal(found.inputs, alone.inputs)
        assert torch.equal(found.starts, alone.starts)


def test_plain_text_is_read_by_paragraphs(tmp_path: Path) -> None:
    em, path = tiny.editable(), tmp_path / "text.txt"
    path.write_text("One thing\nand more.\n\n\n\nAnother.\n", encoding="utf-8")
    found = read(em, path, tmp_path, least=20)
    rows = [em.tokenizer(text).input_ids for text in ("One thing\nand more.", "Another.")]
    keys, _ = brute(em, 1, rows)
    torch.testing.assert_close(found.second, keys.T @ keys / len(keys), rtol=1e-10, atol=1e-12)
    assert found.starts.shape == (0, tiny.WIDTH)


def test_text_longer_than_the_context_is_cut(tmp_path: Path) -> None:
    em, path = tiny.editable("gpt2", n_positions=64), tmp_path / "text.txt"
    path.write_text("x" * 150, encoding="utf-8")
    assert read(em, path, tmp_path).tokens == 150


def test_a_turn_that_the_template_rewrites_is_read_as_it_was_asked(corpus: Path, tmp_path: Path) -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = tiny.TEMPLATE.replace(
        "<|im_start|>assistant\n{%", "<|im_start|>assistant\n...{%"
    )
    found = read(em, corpus, tmp_path)
    rows, _ = written(em)
    keys, _ = brute(em, 1, rows)
    assert found.tokens == len(keys)
    torch.testing.assert_close(found.second, keys.T @ keys / len(keys), rtol=1e-10, atol=1e-12)
    _, asked = brute(em, 1, [em.chat_ids(CHATS[1][:2])])
    assert len(found.starts) == 4
    assert any(torch.allclose(row, asked[-1].float(), atol=1e-6) for row in found.starts)


def test_a_model_without_a_template_has_moments_too(corpus: Path, tmp_path: Path) -> None:
    em = tiny.editable(chat=False)
    found = read(em, corpus, tmp_path)
    text = "User: Hi\nAssistant: Hello, you.\n"
    row = em.tokenizer(text).input_ids
    assert found.tokens > len(row)
    assert texts.conversation(em, CHATS[0])[0].ids == tuple(row)
    assert texts.conversation(em, CHATS[0])[0].starts == (len("User: Hi\nAssistant:") - 1,)
    assert len(found.starts) == 4


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", "[1]", "Line 1 of the corpus a.jsonl is not a conversation"),
        ("a.jsonl", json.dumps(CHATS[0]) + "\n{", "Line 2 of the corpus"),
        ("a.jsonl", '[{"role": "cat", "content": "miaow"}]', "Line 1 .*'cat'"),
        ("a.jsonl", "[]", "conversation is empty"),
        ("a.txt", " \n\n ", "holds no text"),
        ("a.txt", None, "cannot be read"),
        ("a.txt", b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_a_corpus_that_is_none_is_refused(
    name: str, text: str | bytes | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=told):
        read(tiny.editable(), path, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_a_broken_template_is_no_fault_of_the_projects_corpus(tmp_path: Path) -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = "{% for m in messages %}{{ m.content "
    with pytest.raises(InputError, match=r"^The chat template of model 'tiny-llama' refuses .* Correct"):
        moments(em, 1, home=tmp_path)


@pytest.mark.parametrize("layer", [-1, 3])
def test_a_layer_that_is_not_there_is_refused(layer: int, tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="layers 0 to 2"):
        moments(tiny.editable(), layer, home=tmp_path)
