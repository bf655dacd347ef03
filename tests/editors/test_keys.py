"""What is read is what a plain pass shows, costs less, and is kept until it is damaged."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from monogram import tensors as disk
from monogram.editors import keys as room
from monogram.editors.keys import read_at, read_layers, read_starts
from monogram.errors import DiskFullError, LayerError
from monogram.models.build import threads
from monogram.models.editable import EditableModel
from tests import tiny

CHATS: list[Any] = [
    "Hi",
    "What's my hobby, do you know?",
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
    [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Name a tree."},
    ],
    "Yo",
]


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))


def brute(em: EditableModel, layer: int, rows: list[list[int]], at: list[int], role: str) -> Tensor:
    """One row at a time, through the whole model, by torch's own hooks."""
    names, seen = em.names(layer), []
    module = em.module(names["down"] if role == "key" else names["up"])
    handle = module.register_forward_pre_hook(lambda _m, args: seen.append(args[0][0]))
    with torch.no_grad():
        for row in rows:
            em.model(torch.tensor([row]))
    handle.remove()
    return torch.stack([x[i] for x, i in zip(seen, at, strict=True)])


@pytest.mark.parametrize("kind", [*tiny.TABLE, "stablelm"])
@pytest.mark.parametrize("role", ["x", "key"])
def test_starts_are_those_of_a_plain_pass(kind: str, role: Any) -> None:
    em = tiny.editable(kind)
    rows = [em.chat_ids(c) for c in CHATS]
    wanted = brute(em, 1, rows, [-1] * len(rows), role)
    found = read_starts(em, 1, CHATS, role=role)
    assert found.shape == (len(CHATS), tiny.INNER if role == "key" else tiny.WIDTH)
    assert found.dtype == torch.float64
    near = 1e-5 if kind in ("gemma2", "gptj") else 1e-10  # those compute a part in float32
    torch.testing.assert_close(found, wanted, rtol=near, atol=near)


@pytest.mark.parametrize("chat", [True, False])
def test_any_position_can_be_read(chat: bool) -> None:
    em = tiny.editable("mistral", chat=chat)
    rows = [em.chat_ids(c) for c in CHATS]
    for at in ([0, 1, 2, 3, 4], [7, 8, 9, 10, 11], [-1, -2, -7, -12, -8], [-len(row) for row in rows]):
        torch.testing.assert_close(
            read_at(em, 2, rows, at, role="key"), brute(em, 2, rows, at, "key"), rtol=1e-10, atol=1e-12
        )


def test_a_position_that_is_not_there_is_an_error() -> None:
    em = tiny.editable()
    row = em.chat_ids("Hi")
    for at in (len(row), -len(row) - 1):
        with pytest.raises(IndexError):
            read_at(em, 1, [row], [at], role="x")


def test_what_all_conversations_begin_with_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    em, widths = tiny.editable(), []
    em.model.model.layers[0].mlp.register_forward_pre_hook(lambda _m, args: widths.append(args[0].shape[:2]))
    read_starts(em, 1, ["Hi", "Yo", "What's my hobby?"])
    begun = len(room._shared_start(em))
    assert begun >= 6
    assert widths == [
        (1, begun),
        (2, len(em.chat_ids("Hi")) - begun),
        (1, len(em.chat_ids("What's my hobby?")) - begun),
    ]


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt2"])
@pytest.mark.parametrize("role", ["x", "key"])
def test_many_layers_in_one_pass_are_each_the_same_to_the_bit(kind: str, role: Any) -> None:
    em = tiny.editable(kind)
    rows = [em.chat_ids(c) for c in CHATS]
    found = read_layers(em, [2, 0], rows, [-1] * len(rows), role=role)
    for layer, read in zip([2, 0], found, strict=True):
        assert torch.equal(read, read_at(em, layer, rows, [-1] * len(rows), role=role))


def test_layers_above_never_run() -> None:
    em, ran = tiny.editable(), []
    em.model.model.layers[2].register_forward_pre_hook(lambda _m, args: ran.append(args[0].shape[0]))
    em.model.lm_head.register_forward_pre_hook(lambda *_: pytest.fail("the head ran"))
    read_starts(em, 1, ["Hi", "Yo"])
    assert ran == [1]  # for what both begin with, whose cache holds all layers


def test_batches_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    em = tiny.editable()
    many = [f"Number {i}" for i in range(10, 20)]
    whole = read_starts(em, 1, many)
    monkeypatch.setattr(room, "BATCH", 3)
    torch.testing.assert_close(read_starts(em, 1, many), whole, rtol=1e-12, atol=1e-14)


def test_progress_counts_every_row() -> None:
    told: list[tuple[str, int, int]] = []
    read_starts(tiny.editable(), 1, CHATS, progress=lambda *step: told.append(step))
    assert told[-1] == ("reading phrasings", len(CHATS), len(CHATS))


def kept(home: Path) -> list[Path]:
    return sorted((home / "cache" / "keys").glob("*.safetensors"))


def test_the_second_time_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = read_starts(tiny.editable(), 1, CHATS, keep=True)
    assert len(kept(tmp_path)) == 1
    monkeypatch.setattr(room, "read_at", lambda *_, **__: pytest.fail("read again"))
    assert torch.equal(first, read_starts(tiny.editable(), 1, CHATS, keep=True))


def test_nothing_is_kept_unasked(tmp_path: Path) -> None:
    read_starts(tiny.editable(), 1, CHATS)
    assert not (tmp_path / "cache").exists()


def test_another_model_layer_role_build_or_list_is_read_for_itself(tmp_path: Path) -> None:
    read_starts(tiny.editable(), 1, CHATS, keep=True)
    read_starts(tiny.editable(seed=1), 1, CHATS, keep=True)
    read_starts(tiny.editable(chat=False), 1, CHATS, keep=True)
    read_starts(tiny.editable(), 2, CHATS, keep=True)
    read_starts(tiny.editable(), 1, CHATS, role="key", keep=True)
    read_starts(tiny.editable(), 1, CHATS[::-1], keep=True)
    with threads(2):  # other last bits
        read_starts(tiny.editable(), 1, CHATS, keep=True)
    template = tiny.editable()
    template.tokenizer.chat_template = tiny.TEMPLATE.replace("assistant", "helper")
    read_starts(template, 1, CHATS, keep=True)
    assert len(kept(tmp_path)) == 8


def test_what_is_kept_is_found_without_making_tokens_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_starts(tiny.editable(), 1, CHATS, keep=True)
    plain, made = EditableModel.chat_ids, list[object]()
    monkeypatch.setattr(EditableModel, "chat_ids", lambda em, chat: made.append(chat) or plain(em, chat))
    assert torch.equal(read_starts(tiny.editable(), 1, CHATS, keep=True), first)
    assert made == [room.SAMPLE]


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other", "gone"])
def test_what_is_damaged_is_read_again(harm: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    em = tiny.editable()
    first = read_starts(em, 1, CHATS, keep=True)
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    flipped = whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:]
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": whole[:-9], "flip": flipped, "empty": b"", "other": b"?" * 99}[harm])
    assert torch.equal(first, read_starts(em, 1, CHATS, keep=True))
    assert kept(tmp_path) == [path]
    monkeypatch.setattr(room, "read_at", lambda *_, **__: pytest.fail("read again"))
    assert torch.equal(first, read_starts(em, 1, CHATS, keep=True))


def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(_tensors: Any, path: Path, **_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "save_file", full)
    with pytest.raises(DiskFullError, match="Make room"):
        read_starts(tiny.editable(), 1, CHATS, keep=True)
    assert list((tmp_path / "cache" / "keys").iterdir()) == []


def test_another_process_that_was_faster_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    em = tiny.editable()
    plain = room.read_at

    def slow(*args: Any, **settings: Any) -> Tensor:
        monkeypatch.setattr(room, "read_at", plain)
        read_starts(em, 1, CHATS, keep=True)  # meanwhile, elsewhere
        return plain(*args, **settings)

    monkeypatch.setattr(room, "read_at", slow)
    first = read_starts(em, 1, CHATS, keep=True)
    assert torch.equal(first, read_starts(em, 1, CHATS, keep=True))
    assert len(kept(tmp_path)) == 1


def test_another_process_that_clears_the_folder_meanwhile_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = disk.save_file

    def cleared(tensors: Any, path: Path, **more: Any) -> None:
        shutil.rmtree(room.kept_readings())
        plain(tensors, path, **more)

    em = tiny.editable()
    monkeypatch.setattr(disk, "save_file", cleared)
    assert torch.equal(read_starts(em, 1, CHATS, keep=True), read_starts(em, 1, CHATS))
    assert kept(tmp_path) == []


def test_the_weights_are_left_alone() -> None:
    em = tiny.editable()
    before = em.weights_digest()
    read_starts(em, 0, CHATS, role="key")
    assert em.weights_digest() == before


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(LayerError, match="layers 0 to 2"):
        read_starts(tiny.editable(), 3, CHATS)
