"""A run's folder holds one run: nothing else is mixed in, and one process writes."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from monogram.bench.protocol import Protocol
from monogram.bench.runner import run
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.fakes import SETTINGS, Shift, always, order, prompted
from tests.bench.records import written


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable(max_position_embeddings=1024)


def other_model(em: EditableModel, folder: Path) -> None:
    run(tiny.editable(seed=1), order(folder, "leak"), always(prompted("none")), folder / "out")


def other_items(em: EditableModel, folder: Path) -> None:
    run(em, order(folder, "leak", limit=3), always(prompted("none")), folder / "out")


def other_tasks(em: EditableModel, folder: Path) -> None:
    run(em, order(folder, "leak", "forget"), always(prompted("none")), folder / "out")


def other_data(em: EditableModel, folder: Path) -> None:
    path = written(folder)
    path.write_text(path.read_text().replace("Baker", "Cook"))
    run(em, order(folder, "leak", data=[path]), always(prompted("none")), folder / "out")


def other_protocol(em: EditableModel, folder: Path) -> None:
    changed = replace(SETTINGS, protocol=Protocol("paper", 3))
    run(em, order(folder, "leak", settings=changed), always(prompted("none")), folder / "out")


def other_method(em: EditableModel, folder: Path) -> None:
    made = Shift(em)
    made.__class__ = type("Other", (Shift,), {"settings": {"kind": "another"}})
    run(em, order(folder, "leak"), always(made), folder / "out")


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (other_model, r"another model \(digest\)"),
        (other_items, r"another settings \(limit\)"),
        (other_tasks, "another tasks"),
        (other_data, r"another data \(items\.json\)"),
        (other_protocol, r"another settings \(protocol\)"),
        (other_method, r"another method 'shift' \(kind\)"),
    ],
)
def test_nothing_else_is_mixed_into_a_folder(
    em: EditableModel, tmp_path: Path, other: Callable[[EditableModel, Path], None], what: str
) -> None:
    run(em, order(tmp_path, "leak"), always(Shift(em)), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match=what) as told:
        other(em, tmp_path)
    assert "--out a new folder" in str(told.value)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_other_code_is_not_mixed_in_and_its_file_is_named(
    em: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monogram.bench import manifest

    run(em, order(tmp_path, "leak"), always(prompted("none")), tmp_path / "out")
    changed = {**manifest.code_digests(), "editors/rome.py": "0" * 32}
    monkeypatch.setattr(manifest, "code_digests", lambda: changed)
    with pytest.raises(InputError, match=r"another code \(editors/rome\.py\)"):
        run(em, order(tmp_path, "leak"), always(prompted("none")), tmp_path / "out")


def test_a_delta_that_came_out_differently_is_asked_again(em: EditableModel, tmp_path: Path) -> None:
    """The same settings and another delta: answers of the two are not mixed in one state."""
    run(em, order(tmp_path, "upqa"), always(Shift(em)), tmp_path / "out")
    path = tmp_path / "out" / "raw.jsonl"
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if b'"kind": "product"' not in line]
    path.write_bytes(b"".join(lines).replace(b'"delta": "', b'"delta": "0'))
    run(em, order(tmp_path, "upqa"), always(Shift(em)), tmp_path / "out")
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    asked = Counter(row["kind"] for row in rows if row["method"] == "shift" and row["item"] == "0")
    assert (asked["direct"], asked["product"]) == (2, 1)


def test_two_runs_cannot_write_in_one_folder(em: EditableModel, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(InputError, match="Another run"):
        run(em, order(tmp_path, "leak"), always(prompted("none")), tmp_path / "out")


def test_a_file_where_the_folder_should_be_is_explained(em: EditableModel, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        run(em, order(tmp_path, "leak"), always(prompted("none")), tmp_path / "out")
