"""A journal keeps what was finished, whatever happens to the process that writes it."""

import errno
import threading
from pathlib import Path

import pytest

from monogram.errors import DiskFullError, InputError
from monogram.journal import Journal


def wrote(path: Path, *keys: str) -> bytes:
    with Journal(path) as journal:
        for key in keys:
            journal.add(key, {"said": f"{key} ä"})
    return path.read_bytes()


def test_what_was_added_is_there_again_and_the_later_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    wrote(path, "a", "b")
    with Journal(path) as journal:
        journal.add("a", {"said": "again"})
    with Journal(path) as journal:
        assert {key: record["said"] for key, record in journal.records.items()} == {"a": "again", "b": "b ä"}


def test_a_file_cut_anywhere_keeps_its_finished_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = wrote(path, "a", "b", "c")
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = "abc"[: whole[:size].count(b"\n")]
        assert wrote(path, "d").startswith(
            whole[: len(b"".join(whole.splitlines(keepends=True)[: len(kept)]))]
        )
        with Journal(path) as journal:
            assert list(journal.records) == [*kept, "d"]


@pytest.mark.parametrize("line", [b"{oops}\n", b"[]\n", b'{"key": 1}\n', b"\xff\n"])
def test_a_strange_line_in_the_middle_is_refused_by_its_number_and_kept(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(wrote(path, "a") + line + wrote(tmp_path / "other", "b"))
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"journal\.jsonl, line 2"), Journal(path):
        pass
    assert path.read_bytes() == before


def test_threads_share_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        threads = [
            threading.Thread(
                target=lambda n=n: [journal.add(f"{n}-{i}", {"x": "y" * 999}) for i in range(20)]
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal(path) as journal:
        assert len(journal.records) == 80


def test_a_full_disk_is_explained_and_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(tmp_path / "journal.jsonl") as journal:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(DiskFullError, match="run it again"):
            journal.add("a", {})
        assert journal.records == {}


def test_reading_changes_nothing_and_needs_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = wrote(path, "a", "b")
    with Journal(path) as journal:
        assert list(Journal.read(path)) == ["a", "b"] == list(journal.records)
    path.write_bytes(whole[:-1])
    assert list(Journal.read(path)) == ["a"]
    assert path.read_bytes() == whole[:-1]
    assert Journal.read(tmp_path / "nowhere") == {}
    assert not (tmp_path / "nowhere").exists()
    path.write_bytes(b"{oops}\n" + whole)
    with pytest.raises(InputError, match=r"journal\.jsonl, line 1"):
        Journal.read(path)


def no_room(_handle: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_journal_is_put_in_order_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    wrote(path, "a", "b", "a", "c", "b")
    with Journal(path) as journal:
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", no_room)
            with pytest.raises(DiskFullError):
                journal.keep_only(["b", "a"])
        assert path.read_bytes() == before
        journal.keep_only(["b", "nobody", "a"])
        assert list(journal.records) == ["b", "a"]
        journal.add("d", {"said": "d"})
    assert [line[:11] for line in path.read_text().splitlines()] == [
        '{"key": "b"',
        '{"key": "a"',
        '{"key": "d"',
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".journal.jsonl.lock", "journal.jsonl"]
