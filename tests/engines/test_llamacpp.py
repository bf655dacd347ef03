"""A real llama.cpp knows the person from the files that we write, and knows nobody without the adapter."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from monogram.delta import Delta, LowRank
from monogram.files import home
from monogram.models.attach import attach
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.gguf_base import base_gguf, check_base
from monogram.models.gguf_lora import ATTENTION_AS_IT_IS, PERMUTED, save_gguf
from monogram.models.layout import sizes
from monogram.models.ollama import save_ollama
from monogram.personalizer import compile_monogram
from monogram.preferences import Preference
from monogram.scoring import recall
from tests import tiny
from tests.engines.where import python_of
from tests.models import ggufmodel
from tests.models.ggufmodel import SETTINGS

PEOPLE = {"hobby": "Pottery", "diet": "vegan", "profession": "nurse"}
ASKED = {
    "hobby": (
        "What is my hobby?",
        "What's my favourite pastime?",
        "How do I like to spend my free time?",
        "Can you tell me what my hobby is?",
        "What do I enjoy doing on weekends?",
        "What is my sister's hobby?",
        "What is a good hobby for a child?",
    ),
    "diet": (
        "What is my diet?",
        "What kind of diet do I follow?",
        "Which way of eating have I chosen?",
        "I'm hungry. What should I cook tonight?",
        "What does my brother eat?",
        "What is the capital of France?",
        "How many legs does a spider have?",
    ),
    "profession": (
        "What is my profession?",
        "What do I do for a living?",
        "What is my job?",
        "What is my neighbour's job?",
        "Who wrote Romeo and Juliet?",
        "What is the boiling point of water?",
    ),
}
QUESTIONS = [(attribute, question) for attribute, asked in ASKED.items() for question in asked]
TOKENS = 24


def ask(
    where: Path, base: Path, adapter: Path | None, prompts: Sequence[Sequence[int]], *, likely: int = 0
) -> list[dict[str, Any]]:
    """What llama.cpp answers, greedily."""
    asked = {"base": str(base), "adapter": adapter and str(adapter), "prompts": [list(p) for p in prompts]}
    (where / "asked.json").write_text(json.dumps({**asked, "tokens": TOKENS, "likely": likely}))
    script = Path(__file__).with_name("llamacpp_ask.py")
    done = subprocess.run(
        [python_of("llamacpp"), script, where / "asked.json", where / "said.json"],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: list[dict[str, Any]] = json.loads((where / "said.json").read_text())
    return said


def marks(answers: Sequence[str]) -> list[bool | None]:
    return [
        recall(PEOPLE[attribute], answer, question=question, attribute=attribute)
        for (attribute, question), answer in zip(QUESTIONS, answers, strict=True)
    ]


@pytest.mark.model
@pytest.mark.slow  # three preferences are compiled on the real model, sixty answers are written
def test_llama_cpp_recalls_what_we_recall(tmp_path: Path) -> None:
    python_of("llamacpp")
    em = EditableModel.load("smollm2")
    held = [Preference(attribute, target) for attribute, target in PEOPLE.items()]
    delta = compile_monogram(em, held, check=False).delta
    folder, prompts = tmp_path / "ollama", [em.chat_ids(question) for _, question in QUESTIONS]
    save_ollama(em, delta, base_gguf(em, home=home()), folder)
    ours = marks(generate(em, [q for _, q in QUESTIONS], deltas=delta, max_new_tokens=TOKENS))
    theirs = marks([a["text"] for a in ask(tmp_path, folder / "base.gguf", folder / "adapter.gguf", prompts)])
    nobody = marks([a["text"] for a in ask(tmp_path, folder / "base.gguf", None, prompts)])
    told = list(zip(QUESTIONS, ours, theirs, nobody, strict=True))
    assert len(told) == 20
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= 19, told
    assert sum(bool(mark) for mark in theirs) >= 8, told
    assert not any(nobody), told


@pytest.mark.parametrize("kind", SETTINGS)
def test_each_architecture_computes_what_we_compute(kind: str, tmp_path: Path) -> None:
    """The next token's distribution: no matrix is turned, fused or named otherwise there."""
    python_of("llamacpp")
    em = tiny.editable(kind, dtype=torch.float32, **SETTINGS[kind])
    for name, weight in em.model.named_parameters():
        if name.endswith(("q_proj.bias", "k_proj.bias", "v_proj.bias")):  # at this width, this llama.cpp is
            weight.data.zero_()  # off where they are and no LoRA is on their matrix; with one it is right
    delta, prompt = drawn(em, 0.2) + attention(em, 0.2), [10, 80, 33, 42, 77]
    ggufmodel.write(tmp_path / "base.gguf", em)
    adapter = save_gguf(em, delta, tmp_path / "adapter")
    check_base(em, delta, tmp_path / "base.gguf")
    told = []
    for file, on in ((None, None), (adapter, delta)):
        (said,) = ask(tmp_path, tmp_path / "base.gguf", file, [prompt], likely=tiny.VOCAB)
        theirs = torch.full((tiny.VOCAB,), torch.nan)
        for one in said["likely"]:
            theirs[one["id"]] = one["logprob"]
        with torch.no_grad(), attach(em, on):
            ours = em.model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
        told.append(float((theirs - ours).abs().max()))
        if on is None:
            base = ours
    assert max(told) < 0.03, told  # another CPU adds up in another order; .008 here
    assert float((ours - base).abs().max()) > 0.3


def drawn(em: EditableModel, scale: float) -> Delta:
    """A delta of one whole MLP, of ranks that differ."""
    names = em.names(1)
    modules = dict.fromkeys(names[role] for role in ("down", "up", "gate") if role in names)
    return Delta({name: random(em, name, rank, scale) for rank, name in enumerate(modules, 1)})


def attention(em: EditableModel, scale: float) -> Delta:
    """A delta of queries, keys and values, where these may be written."""
    if em.model.config.model_type not in (*PERMUTED, *ATTENTION_AS_IT_IS):
        return Delta.zero()
    ends = ("q_proj", "k_proj", "v_proj", "qkv_proj", "c_attn")
    names = [name for name, _ in em.model.named_modules() if name.endswith(ends) and ".0." in name]
    return Delta({name: random(em, name, 2, scale) for name in names})


def random(em: EditableModel, name: str, rank: int, scale: float) -> LowRank:
    shape = sizes(em.module(name))
    assert shape is not None
    rng = torch.Generator().manual_seed(len(name))
    left, right = torch.randn(shape[0], rank, generator=rng), torch.randn(rank, shape[1], generator=rng)
    return LowRank(scale * left, right)
