"""The shelf: made once however many ask, and every change of a file is seen."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from monogram.errors import DiskFullError, ModelFileError
from monogram.models import shelf

REMEDY = "Do this."


def _make(work: Path) -> None:
    save_file({"w": torch.zeros(64)}, work / "model.safetensors")
    (work / "config.json").write_text("{}")
    shelf.seal(work, {"name": "tiny", "licence": "Apache-2.0"})


def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from monogram.models import shelf
def make(work):
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    time.sleep(0.5)
    (work / "a").write_text("whole")
    shelf.seal(work, {"name": "tiny"})
folder = Path(sys.argv[1])
shelf.once(folder, make)
print((folder / "a").read_text())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "models" / "tiny"), str(tmp_path / "log")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in started] == ["whole\n"] * 3
    assert (tmp_path / "log").read_text() == "made\n"


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shelf.once(folder, _make)
    (folder / "config.json").write_text("{ }")
    shelf.once(folder, _make)
    assert (folder / "config.json").read_text() == "{ }"
    shelf.once(folder, _make, force=True)
    assert (folder / "config.json").read_text() == "{}"
    shelf.verify(folder, REMEDY)


def test_a_failed_remake_keeps_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shelf.once(folder, _make)

    def full(work: Path) -> None:
        (work / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFullError):
        shelf.once(folder, full, force=True)
    shelf.verify(folder, REMEDY)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["tiny"]


def test_a_half_made_folder_of_a_killed_process_is_made_again(tmp_path: Path) -> None:
    (tmp_path / ".tiny.0123").mkdir()
    (tmp_path / "tiny").mkdir()  # without its seal
    shelf.once(tmp_path / "tiny", _make)
    shelf.verify(tmp_path / "tiny", REMEDY)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["tiny"]


def _truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def _tamper(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def _lose(folder: Path) -> None:
    (folder / "config.json").unlink()


def _blur(folder: Path) -> None:
    (folder / shelf.SEAL).write_text('{"files": [')


@pytest.mark.parametrize(
    ("harm", "said"),
    [(_truncate, "cut off"), (_tamper, "sha256"), (_lose, "missing"), (_blur, "cannot be read")],
)
def test_every_change_of_a_sealed_folder_is_seen(tmp_path: Path, harm: object, said: str) -> None:
    folder = tmp_path / "tiny"
    shelf.once(folder, _make)
    shelf.verify(folder, REMEDY)
    harm(folder)  # type: ignore[operator]
    with pytest.raises(ModelFileError, match=rf"{said}.*Do this\."):
        shelf.verify(folder, REMEDY)


def test_a_folder_that_is_not_ours_is_held_against_its_own_header(tmp_path: Path) -> None:
    _make(tmp_path)
    (tmp_path / shelf.SEAL).unlink()
    shelf.verify(tmp_path, REMEDY)
    _truncate(tmp_path)
    with pytest.raises(ModelFileError, match="cut off"):
        shelf.verify(tmp_path, REMEDY)
    for rubbish in (b"", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0[]"):
        (tmp_path / "model.safetensors").write_bytes(rubbish)
        with pytest.raises(ModelFileError, match="no whole safetensors file"):
            shelf.verify(tmp_path, REMEDY)


def test_facts_come_back_with_the_size(tmp_path: Path) -> None:
    _make(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir() if path.name != shelf.SEAL)
    assert shelf.facts(tmp_path) == {"name": "tiny", "licence": "Apache-2.0", "bytes": str(size)}
