"""Files: a folder is whole or not there, whatever happens while it is written."""

import errno
import sys
from pathlib import Path

import pytest

from monogram.errors import DiskFullError
from monogram.files import (
    LEDGER,
    aside,
    home,
    is_disk_full,
    need_room,
    people_home,
    sha256,
    stays_in_cache,
    sweep,
)


def test_home_is_what_is_said_then_the_environment_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "env"))
    assert home(tmp_path / "said") == tmp_path / "said"
    assert home() == tmp_path / "env"
    monkeypatch.delenv("MONOGRAM_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    assert home() == tmp_path / "cache" / "monogram"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of XDG")
def test_people_live_in_the_data_folder_unless_they_are_in_the_old_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONOGRAM_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    old, new = tmp_path / "cache" / "monogram", tmp_path / "data" / "monogram"
    assert (people_home(), stays_in_cache()) == (new, "")
    for place in (old, new):
        place.mkdir(parents=True)
    (old / LEDGER).touch()
    assert people_home() == old
    assert f"People are kept in {old}" in stays_in_cache()
    (new / LEDGER).touch()
    assert (people_home(), stays_in_cache()) == (new, "")
    assert people_home(tmp_path / "said") == tmp_path / "said"
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path / "env"))
    assert (people_home(), stays_in_cache()) == (tmp_path / "env", "")


def test_a_folder_appears_only_when_it_is_finished(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with aside(target) as work:
        (work / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_nothing_behind_and_the_old_one_in_place(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with aside(target) as work:
        (work / "a").write_text("old")

    def half() -> None:
        with aside(target, replace=True) as work:
            (work / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert (target / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "mine").write_text("precious")
    with pytest.raises(FileExistsError), aside(target):
        pass
    assert (target / "mine").exists()
    with aside(target, replace=True) as work:
        (work / "a").write_text("new")
    assert [path.name for path in target.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "full",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left (os error 28)"),
    ],
)
def test_a_full_disk_is_one_clear_line_and_nothing_is_left(tmp_path: Path, full: Exception) -> None:
    assert is_disk_full(full)
    with pytest.raises(DiskFullError, match="Make room and try again"), aside(tmp_path / "folder"):
        raise full
    assert list(tmp_path.iterdir()) == []
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))


def test_too_little_room_is_said_before_anything_is_done(tmp_path: Path) -> None:
    need_room(tmp_path / "not" / "there", 1)
    with pytest.raises(DiskFullError, match="MONOGRAM_HOME"):
        need_room(tmp_path / "not" / "there", 10**18)


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (".model.0123", ".model.4567.old", ".other.0123", "model", "model2"):
        (tmp_path / name).mkdir()
    sweep(tmp_path / "model")
    assert {path.name for path in tmp_path.iterdir()} == {".other.0123", "model", "model2"}


def test_sha256_is_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert sha256(tmp_path / "empty").startswith("e3b0c44298fc1c14")
