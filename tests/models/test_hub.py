"""The hub: what it cannot give is explained. Its client runs offline here, or is stood in for."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError

from monogram.errors import DiskFullError, ModelFetchError, ModelNotFoundError
from monogram.models.hub import snapshot


def _stand_in(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)


def test_offline_and_not_in_the_cache_is_one_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelFetchError, match="Try again with a network") as caught:
        snapshot("nobody/nothing")
    assert "'nobody/nothing'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_or_not_shown_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, **__: Any) -> str:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    _stand_in(monkeypatch, answer)
    with pytest.raises(ModelNotFoundError, match="Check the spelling"):
        snapshot("nobody/nothing")


def test_a_name_that_is_no_hub_id_is_not_found() -> None:
    with pytest.raises(ModelNotFoundError, match="no hub id"):
        snapshot("nobody/" + "a" * 200)


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    _stand_in(monkeypatch, answer)
    with pytest.raises(DiskFullError, match="Make room"):
        snapshot("some/model")


def test_bytes_are_reported_and_nothing_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def answer(_: str, *, tqdm_class: Any, **__: Any) -> str:
        with tqdm_class(desc="Downloading bytes", total=10) as bar:
            bar.update(4)
            bar.update(6)
        (tmp_path / "model.safetensors").touch()
        return str(tmp_path)

    _stand_in(monkeypatch, answer)
    seen: list[tuple[str, int, int]] = []
    assert snapshot("some/model", progress=lambda *now: seen.append(now)) == tmp_path
    assert seen == [("fetching some/model", 4, 10), ("fetching some/model", 10, 10)]
    assert capfd.readouterr() == ("", "")


def test_old_weights_are_taken_only_where_there_are_no_safetensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def answer(_: str, *, allow_patterns: list[str], **__: Any) -> str:
        asked.append(allow_patterns)
        if "pytorch_model*.bin" in allow_patterns:
            (tmp_path / "pytorch_model.bin").touch()
        return str(tmp_path)

    _stand_in(monkeypatch, answer)
    assert snapshot("some/model") == tmp_path
    assert ["*.safetensors" in patterns for patterns in asked] == [True, False]
