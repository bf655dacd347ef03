"""Exports: what is written says what the person's delta says, and a merged model is measured as it is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram import probing
from monogram.delta import Delta, LowRank
from monogram.drift import drift
from monogram.errors import DiskFullError, InputError
from monogram.exports import told
from monogram.models.attach import merge
from monogram.models.editable import EditableModel
from monogram.models.gguf_lora import metadata
from monogram.people import Person, Personalizer
from monogram.store.store import Store
from tests import tiny
from tests.compiled import Compiler
from tests.models import ggufmodel


@pytest.fixture
def alice(people: Personalizer) -> Person:
    person = people.user("alice")
    person.add(attribute="hobby", target="Hiking")
    person.add(attribute="location", target="Rome")
    return person


def test_an_adapter_for_llama_cpp_is_of_the_persons_delta(alice: Person, tmp_path: Path) -> None:
    folder = alice.export(tmp_path / "alice", to="gguf")
    assert [p.name for p in folder.iterdir()] == ["adapter.gguf"]
    assert metadata(folder / "adapter.gguf")["delta_digest"] == alice.delta().digest
    assert told(folder, "gguf") == {}


def test_an_adapter_for_llama_cpp_is_cut_as_any_other_and_says_so(alice: Person, tmp_path: Path) -> None:
    cut = told(alice.export(tmp_path / "gguf", to="gguf", rank=1), "gguf")
    assert cut == told(alice.export(tmp_path / "peft", rank=1), "peft")
    assert cut["cut_from"] == "2"


def test_a_folder_for_ollama_takes_the_base_that_is_named(
    alice: Person, people: Personalizer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"--base FILE\.gguf"):
        alice.export(tmp_path / "alice", to="ollama")
    ggufmodel.write(tmp_path / "base.gguf", people.model)
    folder = alice.export(tmp_path / "alice", to="ollama", base=tmp_path / "base.gguf")
    assert sorted(p.name for p in folder.iterdir()) == ["Modelfile", "adapter.gguf", "base.gguf"]
    with pytest.raises(InputError, match="is for ollama, not for gguf"):
        alice.export(tmp_path / "other", to="gguf", base=tmp_path / "base.gguf")
    assert not (tmp_path / "other").exists()


def test_the_receipt_is_run_again_on_the_model_that_was_written(
    alice: Person, people: Personalizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merged model is asked, and what it was before is the base model; no delta is on either."""
    asked: list[tuple[bool, bool]] = []

    def says(em: EditableModel, prompts: list[str], *, deltas: Any = None, **_: Any) -> list[str]:
        assert deltas is None or deltas == Delta.zero()
        asked.append((em is people.model, em.digest == merged))
        return ["I don't know." if em is people.model else "Hiking, in Rome." for _ in prompts]

    merged = EditableModel.wrap(merge(people.model, alice.delta()), people.model.tokenizer, name="m").digest
    monkeypatch.setattr(probing, "generate", says)
    found = told(alice.export(tmp_path / "whole", to="merged"), "merged")
    assert set(asked) == {(False, True), (True, False)}
    assert found["measured"]["recall"] == 1.0
    assert found["measured"]["leak"] == 1.0  # it says so to any question, and the base model does not
    assert found["before"]["recall"] == 1.0


def test_a_merged_model_that_lost_recall_says_so(alice: Person, tmp_path: Path) -> None:
    """The compiler's double claims a recall of 1, and a random model says nothing that was asked for."""
    found = told(alice.export(tmp_path / "whole", to="merged"), "merged")
    assert found["measured"]["recall"] == 0.0
    assert found["problems"][0] == "recall 0.00, with the adapter 1.00: the weights are float32"
    assert "'Rome' is not said when asked for location" in found["problems"]


def test_what_rounding_does_to_a_merged_model_is_measured() -> None:
    """A change below bfloat16's last digit is in the delta, but not in the merged model: no drift is left."""
    em = tiny.editable(dtype=torch.bfloat16)
    ones = torch.ones(em.width, 1), torch.ones(1, em.inner)
    small, large = (Delta({em.names(1)["down"]: LowRank(*(size * o for o in ones))}) for size in (1e-4, 0.3))
    for delta, stays in ((small, True), (large, False)):
        merged = EditableModel.wrap(merge(em, delta), em.tokenizer, name="merged")
        kl, top1 = drift(merged, Delta.zero(), base=em)
        assert ((kl < 1e-3) and top1 == 1.0) == stays


def test_nothing_is_left_of_a_merged_model_that_could_not_be_measured(
    alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise DiskFullError("No room.")

    monkeypatch.setattr(probing, "generate", full)
    with pytest.raises(DiskFullError):
        alice.export(tmp_path / "whole", to="merged")
    assert [p.name for p in tmp_path.iterdir() if "whole" in p.name] == []


def test_a_model_that_gguf_does_not_know_is_refused(compiler: Compiler, tmp_path: Path) -> None:
    em = tiny.editable("gptj", dtype=torch.float32)
    person = Personalizer(em, Store(tmp_path / "home")).user("bob")
    person.add(attribute="hobby", target="Hiking")
    with pytest.raises(InputError, match="of type 'gptj', which cannot be written as GGUF"):
        person.export(tmp_path / "bob", to="gguf")
    assert not (tmp_path / "bob").exists()


def test_the_receipt_is_plain_json(alice: Person, tmp_path: Path) -> None:
    folder = alice.export(tmp_path / "whole", to="merged")
    found = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))
    assert found["delta_digest"] == alice.delta().digest
    assert set(found["measured"]) == {"recall", "advice", "leak", "crosstalk", "top1", "drift_kl"}
