"""A real llama.cpp knows the person from the files that we write, and knows nobody without the adapter."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monogram.delta import Delta
from monogram.files import home
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.models.gguf_base import base_gguf
from monogram.models.ollama import save_ollama
from monogram.personalizer import compile_monogram
from monogram.preferences import Preference
from monogram.scoring import recall
from tests.engines.where import python_of

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
