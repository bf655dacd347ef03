"""raw.jsonl: what was written is there again; a torn last line is dropped; a torn middle is refused."""

from pathlib import Path
from typing import Any

import pytest

from monogram.bench.raw import RawLog
from monogram.errors import DiskFullError, InputError


def line(kind: str = "direct", **more: Any) -> dict[str, Any]:
    row = {"method": "neuron", "seed": 0, "task": "upqa", "item": "3", "state": "s3"}
    return row | {"kind": kind, "variant": "", **more}


def wrote(path: Path, *records: dict[str, Any]) -> bytes:
    with RawLog(path) as log:
        for record in records:
            log.append(record)
    return path.read_bytes()


def test_lines_come_back_by_key_and_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    wrote(path, line(answer="wörk 🏔"), line("leak", variant="person"), line(answer="again"))
    records = RawLog.read(path).records
    assert records[("neuron", 0, "upqa", "3", "direct", "")]["answer"] == "again"
    assert len(records) == 2


def test_every_line_is_on_the_disk_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    with RawLog(path) as log:
        log.append(line())
        assert len(RawLog.read(path).records) == 1
        log.append(line("leak"))
        assert len(RawLog.read(path).records) == 2


def test_a_file_cut_anywhere_keeps_its_finished_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    whole = wrote(path, line("a", answer="ä"), line("b", answer="ö"), line("c"))
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = whole[:size].count(b"\n")
        assert len(RawLog.read(path).records) == kept
        assert path.read_bytes() == whole[:size]  # reading changes nothing
        assert wrote(path, line("d")).count(b"\n") == kept + 1
        assert [k[4] for k in RawLog.read(path).records] == [*"abc"[:kept], "d"]


def test_a_broken_line_in_the_middle_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    whole = wrote(path, line("a"), line("b"), line("c")).splitlines(keepends=True)
    path.write_bytes(whole[0] + b"{oops}\n" + whole[2])
    with pytest.raises(InputError, match=r"raw\.jsonl, line 2"):
        RawLog.read(path)


def test_another_delta_voids_the_answers_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    others = [line(item="4", state="s4"), line(seed=1), line(method="rome")]
    wrote(path, line("prepare", delta="a"), line(), *others, line("prepare", delta="b"))
    left = [(k[0], k[1], k[3], k[4]) for k in RawLog.read(path).records]
    assert [k[:3] for k in left[:-1]] == [("neuron", 0, "4"), ("neuron", 1, "3"), ("rome", 0, "3")]
    assert left[-1] == ("neuron", 0, "3", "prepare")
    wrote(path, line("direct"), line("prepare", delta="b"))
    assert ("neuron", 0, "upqa", "3", "direct", "") in RawLog.read(path).records


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with RawLog(tmp_path / "raw.jsonl") as log:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(DiskFullError, match="run it again"):
            log.append(line())
        assert log.records == {}
