"""The laws of low-rank changes, and that files give back what was put in, or say why not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from monogram import files
from monogram.delta import Delta, LowRank, load_adapter, save_adapter
from monogram.errors import AdapterFileError, BaseMismatchError, DiskFullError, InputError
from monogram.peft_folder import targets

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
BASE = "b" * 64
WEIGHTS = "adapter_model.safetensors"
law = settings(max_examples=40, deadline=None)  # no deadline: time on a shared machine is no law


def factor(
    seed: int, out: int = 7, inp: int = 5, rank: int = 2, dtype: torch.dtype = torch.float64
) -> LowRank:
    rng = torch.Generator().manual_seed(seed)
    left = torch.randn(out, rank, generator=rng, dtype=torch.float64)
    return LowRank(left.to(dtype), torch.randn(rank, inp, generator=rng, dtype=torch.float64).to(dtype))


@st.composite
def factors(draw: st.DrawFn, dtype: torch.dtype = torch.float64) -> LowRank:
    sizes = [draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(0, 12))]
    return factor(draw(st.integers(0, 2**16)), sizes[0], sizes[1], sizes[2], dtype)


@st.composite
def deltas(draw: st.DrawFn) -> Delta:
    """Deltas over the same four modules of fixed shapes, any of them missing, of any rank and type."""
    dtype = draw(st.sampled_from(DTYPES))
    shapes = {f"model.layers.{n}.mlp.{leaf}": shape for n in (1, 3) for leaf, shape in LEAVES.items()}
    chosen = draw(st.sets(st.sampled_from(sorted(shapes))))
    seed = draw(st.integers(0, 2**16))
    return Delta(
        {
            name: factor(seed + i, *shapes[name], draw(st.integers(1, 3)), dtype)
            for i, name in enumerate(sorted(chosen))
        }
    )


LEAVES = {"down_proj": (4, 6), "up_proj": (6, 4)}


@law
@given(factors(), st.floats(-3, 3))
def test_algebra_is_that_of_the_dense_matrices(a: LowRank, scale: float) -> None:
    b = factor(99, *a.shape, 3)
    torch.testing.assert_close((a + b).dense(), a.dense() + b.dense())
    torch.testing.assert_close((a - b).dense(), a.dense() - b.dense())
    torch.testing.assert_close((scale * a).dense(), scale * a.dense())
    torch.testing.assert_close((-a).dense(), -a.dense())
    assert (a + b).rank == a.rank + b.rank


@law
@given(factors())
def test_the_norm_is_that_of_the_dense_matrix(a: LowRank) -> None:
    assert a.norm() == pytest.approx(float(a.dense().norm()), rel=1e-10, abs=1e-12)


@law
@given(factors())
def test_a_difference_with_itself_is_zero(a: LowRank) -> None:
    assert (a - a).norm() <= 1e-13 * (1 + a.norm()) * 10
    assert (a - a).compress().rank == 0


@law
@given(factors(), st.integers(0, 6))
def test_the_error_of_compression_is_what_was_dropped(a: LowRank, rank: int) -> None:
    small = a.compress(rank)
    dropped = torch.linalg.svdvals(a.dense())[small.rank :] if a.rank else torch.zeros(1)
    assert small.rank <= min(rank, a.rank, *a.shape)
    assert (a - small).norm() == pytest.approx(float(dropped.norm()), rel=1e-8, abs=1e-10)


@law
@given(factors())
def test_compression_without_limits_loses_nothing_but_idle_rank(a: LowRank) -> None:
    doubled = a + a
    small = doubled.compress()
    assert small.rank <= min(a.rank, *a.shape)
    torch.testing.assert_close(small.dense(), doubled.dense(), rtol=1e-10, atol=1e-10)


def test_a_tolerance_drops_singular_values_up_to_its_share_of_the_largest() -> None:
    q = torch.linalg.qr(factor(1, 7, 3, 3).left)[0]
    a = LowRank(q * torch.tensor([10.0, 1.0, 0.1], dtype=torch.float64), torch.eye(3, 5, dtype=torch.float64))
    assert [a.compress(tol=t).rank for t in (0.0, 0.05, 0.5, 1.0)] == [3, 2, 1, 0]


@law
@given(factors(), st.integers(0, 20))
def test_padding_changes_nothing_but_the_rank(a: LowRank, rank: int) -> None:
    torch.testing.assert_close(a.padded(rank).dense(), a.dense(), rtol=1e-14, atol=1e-14)
    assert a.padded(rank).rank == max(rank, a.rank)


def test_factors_that_dont_fit_are_refused_with_their_shapes() -> None:
    with pytest.raises(InputError, match=r"\(4, 2\) and \(3, 5\)"):
        LowRank(torch.zeros(4, 2), torch.zeros(3, 5))
    with pytest.raises(InputError, match="float"):
        LowRank(torch.zeros(4, 2), torch.zeros(2, 5, dtype=torch.float64))
    with pytest.raises(InputError, match=r"\(7, 5\) and \(5, 7\)"):
        factor(0) + factor(0, 5, 7)


@pytest.mark.parametrize(("rank", "tol"), [(-1, 0.0), (None, -0.1), (None, 1.1), (None, float("nan"))])
def test_impossible_compression_is_refused(rank: int | None, tol: float) -> None:
    with pytest.raises(InputError):
        factor(0).compress(rank, tol)


@law
@given(deltas(), deltas())
def test_deltas_add_module_by_module(a: Delta, b: Delta) -> None:
    both = a + b
    assert set(both.factors) == set(a.factors) | set(b.factors)
    a64, b64 = a.to(torch.float64), b.to(torch.float64)
    for name in both.factors:
        parts = [d.factors[name].dense() for d in (a64, b64) if name in d.factors]
        torch.testing.assert_close((a64 + b64).factors[name].dense(), sum(parts))
    assert (a - a).norm() <= 1e-6 * (1 + a.norm())
    assert (a64 - a64).compress() == Delta.zero()
    assert (a64 + b64).allclose(b64 + a64)
    assert a + Delta.zero() == a


@law
@given(deltas())
def test_the_digest_is_of_content_not_of_order(a: Delta) -> None:
    backwards = Delta(dict(reversed(a.factors.items())))
    assert backwards == a
    assert backwards.digest == a.digest
    assert hash(backwards) == hash(a)


def test_the_digest_sees_every_bit_name_and_type() -> None:
    one = Delta({"m": factor(1)})
    changed = factor(1)
    changed.left[0, 0] = torch.nextafter(changed.left[0, 0], torch.tensor(9.0, dtype=torch.float64))
    others = [Delta({"n": factor(1)}), Delta({"m": changed}), one.to(torch.float32), Delta.zero(), one * -1]
    assert len({d.digest for d in [one, *others]}) == 6
    assert all(d != one for d in others)


def test_rank_and_bytes_are_told() -> None:
    d = Delta({"a": factor(1, rank=1), "b": factor(2, rank=4)})
    assert (d.rank, d.nbytes) == (4, 8 * 12 * 5)
    assert (Delta.zero().rank, Delta.zero().nbytes, Delta.zero().norm()) == (0, 0, 0.0)


@law
@given(deltas())
def test_what_is_saved_comes_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, d: Delta) -> None:
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(d, folder, base_name="tiny", base_digest=BASE)
    back = load_adapter(folder, base_digest=BASE)
    assert back == d
    assert back.digest == d.digest


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    d = Delta({f"model.layers.{n}.mlp.down_proj": factor(n, rank=n) for n in (1, 2)})
    save_adapter(d, tmp_path / "a", base_name="tiny", base_digest=BASE, metadata={"user": "alice"})
    return tmp_path / "a"


def test_the_folder_is_what_peft_expects(saved: Path) -> None:
    config = json.loads((saved / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == 2
    assert config["base_model_name_or_path"] == "tiny"
    assert (config["peft_type"], config["bias"], config["inference_mode"]) == ("LORA", "none", True)
    tensors = load_file(saved / WEIGHTS)
    assert tensors["base_model.model.model.layers.1.mlp.down_proj.lora_A.weight"].shape == (2, 5)
    assert tensors["base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"].shape == (7, 2)
    record = json.loads((saved / "monogram.json").read_text())
    assert record["base_digest"] == BASE
    assert record["metadata"] == {"user": "alice"}


def test_leaves_and_layers_are_named_only_where_they_say_exactly_what_is_edited() -> None:
    grid = [f"model.layers.{n}.mlp.{leaf}" for n in (4, 9) for leaf in ("up_proj", "down_proj")]
    assert targets(grid) == {
        "target_modules": ["down_proj", "up_proj"],
        "layers_to_transform": [4, 9],
        "layers_pattern": "layers",
    }
    assert targets(grid[:3]) == {"target_modules": sorted(grid[:3])}
    assert targets(["lm_head"]) == {"target_modules": ["lm_head"]}
    assert targets([*grid, "lm_head"]) == {"target_modules": sorted([*grid, "lm_head"])}
    assert targets([]) == {"target_modules": []}
    assert targets(["transformer.h.0.mlp.c_proj"])["target_modules"] == [
        "mlp.c_proj"
    ]  # attention has one too


def test_an_adapter_can_be_saved_over(saved: Path) -> None:
    save_adapter(Delta.zero(), saved, base_name="tiny", base_digest=BASE)
    assert load_adapter(saved) == Delta.zero()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(AdapterFileError, match="no adapter"):
        save_adapter(Delta.zero(), tmp_path, base_name="tiny", base_digest=BASE)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_adapter_of_another_base_model_is_refused_by_digest(saved: Path) -> None:
    with pytest.raises(BaseMismatchError, match=r"'tiny' with digest bbbbbbbbbbbb.* cccccccccccc"):
        load_adapter(saved, base_digest="c" * 64)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(saved: Path, keep: int) -> None:
    whole = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(whole[:keep])
    with pytest.raises(AdapterFileError, match="truncated"):
        load_adapter(saved)


def test_a_changed_byte_is_refused(saved: Path) -> None:
    data = bytearray((saved / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (saved / WEIGHTS).write_bytes(data)
    with pytest.raises(AdapterFileError, match="was changed"):
        load_adapter(saved)


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"delta_digest": "0" * 64},
        {"ranks": {}},
        {"ranks": None},
        {"ranks": {f"model.layers.{n}.mlp.down_proj": 1 for n in (1, 2)}},
        {"ranks": {f"model.layers.{n}.mlp.down_proj": "two" for n in (1, 2)}},
        {"format": 99},
    ],
)
def test_a_changed_record_is_refused(saved: Path, changes: dict[str, Any]) -> None:
    edit_json(saved / "monogram.json", **changes)
    with pytest.raises(AdapterFileError):
        load_adapter(saved)


@pytest.mark.parametrize(
    "changes", [{"lora_alpha": 64}, {"r": 0}, {"r": "x"}, {"peft_type": "IA3"}, {"use_dora": True}]
)
def test_a_changed_configuration_is_refused(saved: Path, changes: dict[str, Any]) -> None:
    edit_json(saved / "adapter_config.json", **changes)
    with pytest.raises(AdapterFileError):
        load_adapter(saved)


@pytest.mark.parametrize("name", ["adapter_config.json", WEIGHTS])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(AdapterFileError, match=name):
        load_adapter(saved)


@pytest.mark.parametrize("name", ["adapter_config.json", "monogram.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_a_record_that_is_no_record_is_refused(saved: Path, name: str, text: str) -> None:
    (saved / name).write_text(text)
    with pytest.raises(AdapterFileError, match=name):
        load_adapter(saved)


def plain(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> None:
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 8} | config)
    )
    save_file(tensors, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("config", "scale"), [({}, 4.0), ({"use_rslora": True}, 8 / 2**0.5), ({"lora_alpha": 2}, 1.0)]
)
def test_somebody_elses_adapter_is_scaled_as_peft_scales_it(
    tmp_path: Path, config: dict[str, Any], scale: float
) -> None:
    a = factor(3, dtype=torch.float32)
    plain(
        tmp_path,
        {"base_model.model.m.lora_A.weight": a.right, "base_model.model.m.lora_B.weight": a.left},
        **config,
    )
    torch.testing.assert_close(
        load_adapter(tmp_path, base_digest=BASE).factors["m"].dense(), scale * a.dense()
    )


def test_half_an_adapter_is_refused(tmp_path: Path) -> None:
    a = factor(3, dtype=torch.float32)
    for key, side in (("A", a.right), ("B", a.left)):
        plain(tmp_path, {f"base_model.model.m.lora_{key}.weight": side})
        with pytest.raises(AdapterFileError):
            load_adapter(tmp_path)
    plain(tmp_path, {"base_model.model.m.lora_magnitude_vector": a.left})
    with pytest.raises(AdapterFileError, match="no part of a plain LoRA"):
        load_adapter(tmp_path)


def test_a_full_disk_leaves_what_was_there(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in saved.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    for target in (saved, saved.parent / "new"):
        with pytest.raises(DiskFullError, match="disk filled up"):
            save_adapter(Delta({"m": factor(1)}), target, base_name="tiny", base_digest=BASE)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before
    assert [p.name for p in saved.parent.iterdir()] == ["a"]


def test_a_place_that_cannot_be_written_is_an_adapter_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AdapterFileError):
        save_adapter(Delta.zero(), tmp_path / "file", base_name="tiny", base_digest=BASE)
    with pytest.raises(AdapterFileError, match="could not be written"):
        save_adapter(Delta.zero(), tmp_path / "file" / "deeper", base_name="tiny", base_digest=BASE)
