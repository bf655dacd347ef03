"""lm-eval over a model with a delta attached: the delta is there while it runs, and gone afterwards."""

import json
from pathlib import Path

import pytest
import torch

from monogram.bench.lm_eval_bridge import attached, evaluate
from monogram.errors import InputError, MonogramError
from tests import tiny
from tests.models.test_attach import delta_for

TASK = """
task: own_choice
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_target: right
doc_to_choice: options
metric_list:
  - metric: acc
"""


def test_without_lm_eval_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lm_eval.models.huggingface", None)
    with (
        pytest.raises(MonogramError, match=r"pip install 'monogram\[bench\]'"),
        attached(tiny.editable(), None),
    ):
        pass


@pytest.mark.slow  # imports lm-eval with its data sets
@pytest.mark.filterwarnings("ignore")  # lm-eval and what it imports warn about themselves
def test_a_delta_changes_what_lm_eval_measures_and_then_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(
        "lm_eval", reason="the bridge to lm-eval is NOT tested: pip install 'monogram[bench]'"
    )
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    em = tiny.editable(dtype=torch.float32)
    delta = delta_for(em, 1) * 20
    documents = [
        {"question": f"{n} and?", "options": ["one", "two", "four"], "right": n % 3} for n in range(24)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    (tmp_path / "own.yaml").write_text(TASK.format(data=tmp_path / "data.jsonl"))
    base = evaluate(em, None, ["own_choice"], include=tmp_path)
    with attached(em, None) as lm, attached(em, delta) as edited:
        assert lm.model is edited.model is em.model
    changed = evaluate(em, delta, ["own_choice"], include=tmp_path)
    assert 0 <= base["own_choice"]["acc"] <= 1
    assert changed != base
    assert evaluate(em, None, ["own_choice"], include=tmp_path) == base
    with pytest.raises(InputError, match="knows no task no_such_task"):
        evaluate(em, None, ["no_such_task"])
