"""Deltas on rows: each row as if alone, PEFT and a merged copy agree, the weights never change."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from monogram.delta import Delta, LowRank, load_adapter, save_adapter
from monogram.errors import InputError, LayerError
from monogram.models.attach import attach, merge
from monogram.models.editable import EditableModel
from monogram.patch import Patch
from tests import tiny

BOUND = {torch.float32: 1e-4, torch.float64: 1e-10}
IDS = torch.arange(5, 5 + 4 * 11).reshape(4, 11)
KINDS = (*tiny.TABLE, "stablelm")


def delta_for(
    em: EditableModel,
    seed: int,
    *,
    rank: int = 2,
    layers: Sequence[int] = (0, 2),
    roles: Sequence[str] = ("down",),
) -> Delta:
    """A random change large enough to be seen in the logits."""
    rng = torch.Generator().manual_seed(seed)
    made: dict[str, LowRank] = {}
    for layer in layers:
        for role in roles:
            name = em.names(layer)[role]
            inp = em.inner if role == "down" else em.width
            out = em.width if role == "down" else em.inner * (2 if em.layout.fused_gate else 1)
            left = 0.3 * torch.randn(out, rank, generator=rng, dtype=torch.float64)
            right = 0.3 * torch.randn(rank, inp, generator=rng, dtype=torch.float64)
            made[name] = LowRank(left, right)
    return Delta(made).to(em.dtype)


def logits(model: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = model(ids).logits
    return out


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


# peft asks transformers by a name that transformers is about to drop; neither is ours
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text", "phi3", "gpt_neox"])
@pytest.mark.parametrize("roles", [("down",), ("down", "up")], ids="+".join)
def test_attached_loaded_by_peft_and_merged_agree(
    kind: str, dtype: torch.dtype, roles: tuple[str, ...], tmp_path: Path
) -> None:
    em = tiny.editable(kind, dtype=dtype)
    delta = delta_for(em, 1, roles=roles)
    save_adapter(delta, tmp_path, base_name="tiny", base_digest=em.digest, fan_in_fan_out=em.layout.conv1d)
    with attach(em, load_adapter(tmp_path, base_digest=em.digest)):
        ours = logits(em.model)
    merged = logits(merge(em, delta))
    base = logits(em.model)
    fresh = tiny.model(kind, dtype=dtype)
    theirs = logits(PeftModel.from_pretrained(fresh, tmp_path, autocast_adapter_dtype=False))
    assert far(ours, base) > 0.01
    assert far(ours, theirs) < BOUND[dtype]
    assert far(ours, merged) < BOUND[dtype]


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_that_row_alone(kind: str, dtype: torch.dtype) -> None:
    em = tiny.editable(kind, dtype=dtype)
    shared = delta_for(em, 1, rank=3)
    rows = [shared, None, delta_for(em, 2, rank=1, layers=(1,), roles=("down", "up")), shared]
    before = em.weights_digest()
    base = logits(em.model)
    with attach(em, rows):
        together = logits(em.model)
    for b, delta in enumerate(rows):
        with attach(em, delta):
            alone = logits(em.model, IDS[b : b + 1])
        assert far(together[b], alone[0]) < BOUND[dtype]
        if delta is not None:
            assert far(together[b], base[b]) > 0.01
    assert torch.equal(logits(em.model), base)
    assert em.weights_digest() == before


def test_a_row_without_a_delta_is_the_base_model_to_the_bit() -> None:
    em = tiny.editable(dtype=torch.float32)
    base = logits(em.model)
    with attach(em, [delta_for(em, 1), None, None, delta_for(em, 2)]):
        assert torch.equal(logits(em.model)[1:3], base[1:3])


def test_another_persons_delta_cannot_touch_a_row_even_if_it_is_broken() -> None:
    em = tiny.editable()
    broken = delta_for(em, 1) * float("nan")
    base = logits(em.model)
    with attach(em, [broken, None, delta_for(em, 2), broken]):
        seen = logits(em.model)
    assert seen[0].isnan().all()
    assert torch.equal(seen[1], base[1])
    assert not seen[2].isnan().any()


def test_rows_can_leave_and_change_places() -> None:
    em = tiny.editable()
    deltas = [delta_for(em, n) for n in range(3)]
    rows = [deltas[0], None, deltas[1], deltas[2]]
    with attach(em, rows) as attached:
        whole = logits(em.model)
        attached.select([3, 1])
        assert far(logits(em.model, IDS[[3, 1]]), whole[[3, 1]]) < 1e-12
        attached.select([1])
        assert far(logits(em.model, IDS[1:2]), whole[1:2]) < 1e-12
        attached.select([])


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt2"])
def test_a_cached_step_is_the_whole_pass(kind: str) -> None:
    em = tiny.editable(kind)
    with attach(em, [delta_for(em, 1), None, delta_for(em, 2), None]), torch.no_grad():
        whole = em.model(IDS).logits
        start = em.model(IDS[:, :8], use_cache=True)
        rest = em.model(IDS[:, 8:], past_key_values=start.past_key_values).logits
    assert far(rest, whole[:, 8:]) < 1e-10


def test_attaching_twice_adds_up() -> None:
    em = tiny.editable()
    a, b = delta_for(em, 1), delta_for(em, 2)
    with attach(em, a), attach(em, [b] * 4):
        twice = logits(em.model)
    with attach(em, a + b):
        assert far(twice, logits(em.model)) < 1e-10


def test_half_precision_models_carry_deltas_of_any_type() -> None:
    em = tiny.editable(dtype=torch.bfloat16)
    delta = delta_for(em, 1)
    with attach(em, delta.to(torch.float64)):
        one = logits(em.model)
    with attach(em, [delta, None, None, None]):
        assert logits(em.model).dtype == one.dtype == torch.bfloat16


def test_gradients_flow_through_an_attached_delta() -> None:
    em = tiny.editable()
    with attach(em, [delta_for(em, 1), None, None, None]):
        inputs = em.model.get_input_embeddings()(IDS).requires_grad_()
        em.model(inputs_embeds=inputs).logits.sum().backward()
    assert inputs.grad is not None


@pytest.mark.parametrize("rows", [3, 5])
def test_another_number_of_rows_is_refused_and_everything_comes_off(rows: int) -> None:
    em = tiny.editable()
    base = logits(em.model)
    with pytest.raises(InputError, match=f"{rows} deltas .* 4 rows"), attach(em, [delta_for(em, 1)] * rows):
        logits(em.model)
    assert torch.equal(logits(em.model), base)


def test_a_module_that_is_not_there_is_refused_before_anything_is_attached() -> None:
    em = tiny.editable()
    stray = Delta(
        {
            **delta_for(em, 1).factors,
            "model.layers.9.mlp.down_proj": delta_for(em, 1).factors[em.names(0)["down"]],
        }
    )
    with pytest.raises(LayerError, match=r"model\.layers\.9"), attach(em, [None, stray, None, None]):
        pass
    with pytest.raises(LayerError, match=r"model\.layers\.9"):
        merge(em, stray)
    assert not any(m._forward_hooks for m in em.model.modules())


def test_a_delta_of_another_shape_is_refused_with_both_shapes() -> None:
    em = tiny.editable()
    turned = Delta({em.names(0)["up"]: delta_for(em, 1).factors[em.names(0)["down"]]})
    for use in (lambda: merge(em, turned), lambda: attach(em, turned).__enter__()):
        with pytest.raises(InputError, match=r"\(32, 48\), but the module is \(48, 32\)"):
            use()
    with pytest.raises(InputError, match="no matrix"):
        merge(em, Delta({"model.norm": turned.factors[em.names(0)["up"]]}))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_merging_leaves_the_model_as_it_was_and_rounds_once(kind: str) -> None:
    em = tiny.editable(kind, dtype=torch.float32)
    before = em.weights_digest()
    delta = delta_for(em, 1).to(torch.float64)
    merged = EditableModel.wrap(merge(em, delta), em.tokenizer, name="merged")
    assert em.weights_digest() == before != merged.digest
    exact = em.matrix("down", 2).double() + delta.factors[em.names(2)["down"]].dense()
    assert torch.equal(merged.matrix("down", 2), exact.float())
    assert torch.equal(merged.matrix("up", 2), em.matrix("up", 2))


class Halved(Patch):
    """Puts out half of what a matrix does, where the input's first number is above a bound."""

    def __init__(self, em: EditableModel, bound: float) -> None:
        self.name, self.bound = em.names(1)["down"], bound
        self.size = (em.width, em.inner)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        return {self.name: self.size}

    @property
    def nbytes(self) -> int:
        return 8

    @property
    def digest(self) -> str:
        return str(self.bound)

    def changed(self, name: str, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return torch.where(x[..., :1] > self.bound, out / 2, out)

    def as_delta(self) -> Delta:
        raise InputError("Half of it is no delta.")


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gptj"])
def test_a_patch_is_put_on_rows_as_a_delta_is(kind: str) -> None:
    em = tiny.editable(kind)
    one, other, delta = Halved(em, 0.0), Halved(em, 0.05), delta_for(em, 1, layers=(1,))
    owners = [one, delta, None, other]
    alone = []
    for owner, row in zip(owners, IDS, strict=True):
        with attach(em, owner):
            alone.append(logits(em.model, row[None]))
    assert far(alone[0], logits(em.model, IDS[:1])) > 1e-3
    with attach(em, owners) as attached:
        assert far(logits(em.model), torch.cat(alone)) < 1e-10
        attached.select([3, 1])
        assert far(logits(em.model, IDS[[3, 1]]), torch.cat([alone[3], alone[1]])) < 1e-10
    assert far(logits(em.model, IDS[2:3]), alone[2]) == 0


def test_a_patch_for_another_model_is_refused() -> None:
    em, patch = tiny.editable(), Halved(tiny.editable(), 0.0)
    patch.size = (5, 7)
    with pytest.raises(InputError, match=r"a matrix of shape \(5, 7\)"), attach(em, patch):
        pass
