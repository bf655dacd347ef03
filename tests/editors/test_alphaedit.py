"""AlphaEdit against its formula, multiplied out: what is to be kept is kept, earlier keys among it."""

from pathlib import Path

import pytest
import torch

from monogram.delta import Delta
from monogram.editors.alphaedit import AlphaEdit, null_space, projected
from monogram.editors.essence import essence_value
from monogram.errors import InputError
from monogram.models.attach import merge
from monogram.models.editable import EditableModel
from tests import tiny
from tests.editors import ground
from tests.editors.test_emmet import RNG, D, K, R
from tests.editors.test_memit import PEOPLE, block
from tests.editors.test_rome import averaged_key

USED = torch.linalg.qr(torch.randn(D, 2 * D // 3, generator=RNG, dtype=torch.float64))[0]
HOLLOW = USED @ torch.diag(torch.linspace(0.1, 3, USED.shape[1], dtype=torch.float64)) @ USED.T
EARLIER = torch.randn(D, 3, generator=RNG, dtype=torch.float64)
VALUE = {"steps": 4, "lr": 0.3, "weight_decay": 0.5, "clamp": 0.75, "kl": 0.0625}


def test_the_null_space_is_what_the_threshold_leaves() -> None:
    free = null_space(HOLLOW, 2e-2)
    assert free.shape == (D, D - USED.shape[1])
    assert torch.allclose(free.T @ free, torch.eye(free.shape[1], dtype=torch.float64))
    assert float((free.T @ USED).abs().max()) < 1e-9
    assert null_space(HOLLOW, 1.0).shape[1] > free.shape[1]


@pytest.mark.parametrize("ridge", [0.01, 10.0])
@pytest.mark.parametrize("earlier", [EARLIER, EARLIER[:, :0]], ids=["earlier", "none"])
def test_the_small_system_gives_the_papers_formula(earlier: torch.Tensor, ridge: float) -> None:
    free = null_space(HOLLOW, 2e-2)
    p = free @ free.T
    inner = p @ (K @ K.T + earlier @ earlier.T) + ridge * torch.eye(D)
    plain = (torch.linalg.inv(inner) @ p @ K @ R.T).T
    found = projected(free, K, R, earlier, ridge)
    assert found.rank == K.shape[1]
    assert float((found.dense() - plain).abs().max()) < 1e-7


def test_keys_of_ordinary_text_are_left_alone_and_earlier_ones_nearly() -> None:
    free = null_space(HOLLOW, 2e-2)
    found = projected(free, K, R, EARLIER[:, :0], 1e-6).dense()
    assert float((found @ USED).abs().max()) < 1e-9
    assert torch.allclose(found @ K, R, atol=1e-4)
    known = projected(free, K[:, :1], R[:, :1], EARLIER, 1e-6).dense()
    assert float((known @ EARLIER).abs().max()) < 1e-4
    assert float((found @ EARLIER).abs().max()) > 0.1


def test_each_preference_has_the_keys_of_those_before_as_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ground.put(monkeypatch, tmp_path, ground.hollow)
    em = tiny.editable()
    editor = AlphaEdit(layers=(1,), ridge=0.5, **VALUE)
    (factor,) = editor.edit(em, PEOPLE).delta.factors.values()
    free = null_space(ground.hollow(em, 1).second, 2e-2)
    p, name = free @ free.T, em.names(1)["down"]
    earlier, edited = torch.zeros(em.inner, 0), em
    for turn, person in enumerate(PEOPLE):
        (fact,) = editor.facts(em, person)
        z = block(em, 1, fact)
        residual, _ = essence_value(em, 1, fact, averaged_key(em, 1, fact), **VALUE, reach=float(z.norm()))
        key = averaged_key(edited, 1, fact)[:, None]
        inner = p @ (key @ key.T + earlier.double() @ earlier.double().T) + 0.5 * torch.eye(em.inner)
        plain = (torch.linalg.inv(inner) @ p @ key @ residual[None]).T
        found = factor.left[:, turn : turn + 1] @ factor.right[turn : turn + 1]
        assert float((found - plain).abs().max()) < 1e-6 * max(1.0, float(plain.abs().max()))
        assert float((found @ (torch.eye(em.inner) - p)).abs().max()) < 1e-9
        earlier = torch.cat([earlier, key], 1)
        step = Delta({name: type(factor)(factor.left[:, : turn + 1], factor.right[: turn + 1])})
        edited = EditableModel.wrap(merge(em, step), em.tokenizer, name="edited")


def test_where_no_direction_is_free_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ground.put(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"Every direction of layer 1 .*Raise its `threshold`"):
        AlphaEdit(layers=(1,), threshold=1e-9).edit(tiny.editable(), PEOPLE)
