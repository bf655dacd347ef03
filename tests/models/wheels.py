"""Tiny wheels in a local folder, and a pip that looks nowhere else."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from monogram.models.fetch import Wheel


def build(folder: Path, content: bytes | Path) -> Wheel:
    """A real wheel in ``folder`` that holds ``content`` (bytes, or a folder), and what to know of it."""
    file = "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / file, "w") as archive:
        if isinstance(content, Path):
            for path in filter(Path.is_file, content.rglob("*")):
                archive.write(path, f"tiny_model/model/{path.relative_to(content).as_posix()}")
        else:
            archive.writestr("tiny_model/tiny.gguf", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    whole = (folder / file).read_bytes()
    return Wheel(
        project="tiny-model",
        version="1.0",
        file=file,
        nbytes=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        member="tiny_model/model/" if isinstance(content, Path) else "tiny_model/tiny.gguf",
        member_sha256="" if isinstance(content, Path) else hashlib.sha256(content).hexdigest(),
    )


def only(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """pip finds packages in ``folder`` alone."""
    patch.setenv("PIP_CONFIG_FILE", "/dev/null")
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(folder))


def unreachable(patch: pytest.MonkeyPatch) -> None:
    """pip finds an index that does not answer (nothing listens on this port of this machine)."""
    patch.setenv("PIP_CONFIG_FILE", "/dev/null")
    patch.delenv("PIP_FIND_LINKS", raising=False)
    patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    patch.setenv("PIP_RETRIES", "0")
