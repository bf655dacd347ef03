"""EMMET against its formula, multiplied out: the constraints are met, and one fact is ROME's."""

from pathlib import Path

import pytest
import torch

from monogram.editors.emmet import Emmet
from monogram.editors.rome import rank_one
from monogram.editors.solve import base, tied
from tests import tiny
from tests.editors import ground
from tests.editors.clusters import cluster
from tests.editors.test_rome import averaged_key, whole_value

RNG = torch.Generator().manual_seed(3)
D, OUT, N = 24, 10, 4
NOISE = torch.randn(3 * D, D, generator=RNG, dtype=torch.float64)
C = NOISE.T @ NOISE / len(NOISE)
K, R = (torch.randn(rows, N, generator=RNG, dtype=torch.float64) for rows in (D, OUT))


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 5.0])
def test_the_small_system_gives_the_papers_formula(epsilon: float) -> None:
    plain = (
        R
        @ torch.linalg.inv(K.T @ torch.linalg.inv(C) @ K + epsilon * torch.eye(N))
        @ K.T
        @ torch.linalg.inv(C)
    )
    found = tied(base(C, ridge=1e-14), K, R, epsilon)
    assert found.rank == N
    assert float((found.dense() - plain).abs().max()) < 1e-9


def test_without_epsilon_every_key_gets_its_residual_and_one_fact_is_romes() -> None:
    ready = base(C, ridge=1e-14)
    assert torch.allclose(tied(ready, K, R, 0.0).dense() @ K, R, atol=1e-9)
    one = tied(ready, K[:, :1], R[:, :1], 0.0).dense()
    assert torch.allclose(one, rank_one(K[:, 0], R[:, 0], ready).dense(), atol=1e-12)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_edit_is_the_formula_over_the_models_own_keys_and_values(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ground.put(monkeypatch, tmp_path)
    em = tiny.editable(kind)
    people = sorted((cluster(), cluster("job", "Baker")), key=lambda c: c.preference.digest)
    editor = Emmet(layer=1, steps=6, lr=0.3, epsilon=0.1)
    (factor,) = editor.edit(em, people).delta.factors.values()
    facts = [editor.facts(em, person)[0] for person in people]
    keys = torch.stack([averaged_key(em, 1, fact) for fact in facts], 1)
    values = torch.stack([whole_value(em, 1, f, k) for f, k in zip(facts, keys.T, strict=True)], 1)
    c = torch.linalg.inv(ground.around(em, 1).second)
    plain = values @ torch.linalg.inv(keys.T @ c @ keys + 0.1 * torch.eye(2)) @ keys.T @ c
    assert float((factor.dense() - plain).abs().max()) < 1e-5 * float(plain.abs().max())
