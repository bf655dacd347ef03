"""A LoRA in GGUF says the delta, matrix by matrix, as llama.cpp reads it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader

from monogram.delta import Delta, LowRank
from monogram.errors import AdapterFileError, InputError
from monogram.models.editable import EditableModel
from monogram.models.gguf_lora import ARCHITECTURES, arranged, metadata, save_gguf
from monogram.models.sources import resolve
from tests import tiny
from tests.models import tinygguf

KINDS = tuple(kind for kind in (*tiny.TABLE, *tiny.STRUCTURAL) if kind in ARCHITECTURES)


def drawn(em: EditableModel, *, layer: int = 1) -> Delta:
    """A delta of every matrix of one MLP, whose ranks differ, in float64."""
    rng, factors = torch.Generator().manual_seed(5), {}
    names = em.names(layer)
    for rank, name in enumerate(dict.fromkeys(names[r] for r in ("down", "up", "gate") if r in names), 1):
        module = em.module(name)
        weight = module.weight.T if em.layout.conv1d else module.weight
        left = torch.randn(weight.shape[0], rank, generator=rng, dtype=torch.float64)
        right = torch.randn(rank, weight.shape[1], generator=rng, dtype=torch.float64)
        factors[name] = LowRank(left, right)
    return Delta(factors)


def rebuilt(path: Path) -> dict[str, np.ndarray]:
    """What llama.cpp adds to each matrix: alpha / rank times lora_b lora_a, from the file alone."""
    reader = GGUFReader(path)
    held = {t.name: t.data.reshape(tuple(int(n) for n in t.shape[::-1])) for t in reader.tensors}
    field = reader.get_field("adapter.lora.alpha")
    assert field is not None
    alpha, found = field.contents(), {}
    for name, b in held.items():
        assert b.dtype == np.float32
        if name.endswith(".lora_b"):
            a = held[name.removesuffix("b") + "a"]
            found[name.removesuffix(".lora_b")] = alpha / b.shape[1] * b.astype(np.float64) @ a
    assert len(held) == 2 * len(found)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_says_the_delta(kind: str, tmp_path: Path) -> None:
    em = tiny.editable(kind)
    delta, names = drawn(em), em.names(1)
    path = save_gguf(em, delta, tmp_path / "adapter")
    found = rebuilt(path)
    called = {"down": "ffn_down", "up": "ffn_up", "gate": "ffn_gate"}
    roles = {
        names[role]: role for role in ("gate", "up", "down") if role in names
    }  # a fused one is called up
    assert set(found) == {f"blk.1.{called[role]}.weight" for role in roles.values()}
    for module, role in roles.items():
        wanted = delta.factors[module].dense().numpy()
        np.testing.assert_allclose(found[f"blk.1.{called[role]}.weight"], wanted, rtol=1e-6, atol=1e-6)


def test_the_head_is_what_llama_cpp_asks_for(tmp_path: Path) -> None:
    em = tiny.editable("gemma3_text")
    path = save_gguf(em, drawn(em), tmp_path / "adapter", about={"cut_error": "0.1"})
    reader = GGUFReader(path)
    said = {key: field.contents() for key, field in reader.fields.items()}
    assert said["general.type"] == "adapter"
    assert said["adapter.type"] == "lora"
    assert said["general.architecture"] == "gemma3"
    assert said["adapter.lora.alpha"] == 3.0
    assert metadata(path) == {
        "base_digest": em.digest,
        "delta_digest": drawn(em).digest,
        "cut_error": "0.1",
    }


def test_the_same_delta_is_the_same_file_to_the_bit(tmp_path: Path) -> None:
    em = tiny.editable()
    one, two = (save_gguf(em, drawn(em), tmp_path / name).read_bytes() for name in ("one", "two"))
    assert one == two


def test_queries_and_keys_are_arranged_as_in_a_real_file(tmp_path: Path) -> None:
    """Read by transformers, a GGUF file's queries and keys are turned; turned back they are the file's."""
    tinygguf.write(tmp_path / "tiny.gguf")
    em = EditableModel.load(str(tmp_path / "tiny.gguf"), home=tmp_path / "home")
    theirs = {t.name: torch.tensor(t.data) for t in GGUFReader(tmp_path / "tiny.gguf").tensors}
    for part, module in (("attn_q", "q_proj"), ("attn_k", "k_proj"), ("attn_v", "v_proj")):
        weight = em.module(f"model.layers.1.self_attn.{module}").weight
        assert torch.equal(arranged(em, f"blk.1.{part}", weight), theirs[f"blk.1.{part}.weight"])
        assert torch.equal(weight, theirs[f"blk.1.{part}.weight"]) == (part == "attn_v")
    assert resolve(str(tmp_path / "tiny.gguf"), home=tmp_path / "home").kind == "gguf"


def test_attention_of_grouped_heads_is_written_as_it_is_arranged(tmp_path: Path) -> None:
    em, name = tiny.editable("llama"), "model.layers.0.self_attn.k_proj"
    weight = em.module(name).weight
    factor = LowRank(torch.eye(weight.shape[0], dtype=torch.float64), weight.detach())
    found = rebuilt(save_gguf(em, Delta({name: factor}), tmp_path / "adapter"))
    wanted = arranged(em, "blk.0.attn_k", weight).detach().numpy()
    np.testing.assert_allclose(found["blk.0.attn_k.weight"], wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "module", "says"),
    [
        ("gptj", "transformer.h.1.mlp.fc_out", "is of type 'gptj', which cannot be written as GGUF"),
        ("gpt_neox", "gpt_neox.layers.1.attention.query_key_value", "is not known here"),
        ("llama", "model.norm", "is not known here"),
    ],
)
def test_what_gguf_has_no_known_place_for_is_refused(
    kind: str, module: str, says: str, tmp_path: Path
) -> None:
    delta = Delta({module: LowRank(torch.ones(4, 1), torch.ones(1, 4))})
    with pytest.raises(InputError, match=says):
        save_gguf(tiny.editable(kind), delta, tmp_path / "adapter")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_half_written_and_nothing_of_others_is_replaced(tmp_path: Path) -> None:
    em, folder = tiny.editable(), tmp_path / "adapter"
    with pytest.raises(InputError, match="changes no weight"):
        save_gguf(em, Delta.zero(), folder)
    assert not folder.exists()
    save_gguf(em, drawn(em, layer=0), folder)
    save_gguf(em, drawn(em), folder)
    assert set(rebuilt(folder / "adapter.gguf")) == {
        f"blk.1.ffn_{part}.weight" for part in ("down", "up", "gate")
    }
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(AdapterFileError, match="holds something else than adapter"):
        save_gguf(em, drawn(em), folder)
    assert (folder / "notes.txt").read_text() == "mine"
