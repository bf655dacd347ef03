"""Runs: complete, resumed after a kill with the same result, and never mixed with anything else."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from monogram.bench import session
from monogram.bench.raw import RawLog
from monogram.bench.runner import run
from monogram.bench.session import Settings
from monogram.errors import InputError
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from tests import tiny
from tests.bench.fakes import DRIFT, Killed, Shift, prompted, task

SETTINGS = Settings(max_new_tokens=4, batch_size=8, chunk=1)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """A tiny model's products are not worth sharing between threads: they wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable(max_position_embeddings=1024)


def measured(em: EditableModel, folder: Path, **more: Any) -> dict[str, Any]:
    methods = [prompted("none"), prompted("reminder"), Shift(em)]
    return run(em, task(folder), methods, folder / "out", **({"settings": SETTINGS} | more))


def raw(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "raw.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(em: EditableModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    measured(em, folder, command="monogram bench upqa")
    return folder


def timeless(records: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps({k: v for k, v in r.items() if k != "seconds"}, sort_keys=True) for r in records)


def test_every_method_answers_every_question_once(whole: Path) -> None:
    lines = raw(whole)
    keys = Counter((r["method"], r["item"], r["kind"], r.get("variant", "")) for r in lines)
    assert set(keys.values()) == {1}
    for method in ("none", "reminder", "shift"):
        kinds = Counter(r["kind"] for r in lines if r["method"] == method)
        expected = {"direct": 2, "paraphrased": 2, "implicit": 1, "implicit_assistant": 1, "product": 2}
        assert kinds == {**expected, "leak": 6, "crosstalk": 2, "drift": 2, "prepare": 2}


def test_answers_are_the_models_own_under_each_items_delta(em: EditableModel, whole: Path) -> None:
    for record in raw(whole):
        if record["method"] == "shift" and "answer" in record:
            delta = Shift(em).prepare(task(whole).items[record["item"]]).delta
            alone = generate(em, [record["question"]], deltas=delta, max_new_tokens=4)
            assert record["answer"] == alone[0]


def test_base_answers_are_made_once_and_shared(whole: Path) -> None:
    lines = raw(whole)
    base = {r["variant"]: r["answer"] for r in lines if r["method"] == "base"}
    asked = {r["question"] for r in lines if r["method"] == "none" and "answer" in r}
    assert set(base) == asked
    assert all(base[r["question"]] == r["answer"] for r in lines if r["method"] == "none" and "answer" in r)


def test_none_drifts_nowhere_and_an_edit_does(whole: Path) -> None:
    drift = {(r["method"], r["item"]): r for r in raw(whole) if r["kind"] == "drift"}
    for item in (0, 1):
        assert drift["none", item]["kl"] == [0.0] * len(DRIFT)
        assert drift["none", item]["agrees"] == [True] * len(DRIFT)
        assert min(drift["shift", item]["kl"]) > 0
        assert min(drift["reminder", item]["kl"]) > 0


def test_tokens_are_counted_for_prompting_and_are_none_for_edits(whole: Path) -> None:
    extra = {r["method"]: r["extra_tokens"] for r in raw(whole) if "answer" in r and r["method"] != "base"}
    assert extra["none"] == extra["shift"] == 0
    assert extra["reminder"] > 20


def test_the_summary_has_every_metric_with_its_interval(whole: Path) -> None:
    summary = json.loads((whole / "out" / "summary.json").read_text())
    assert list(summary) == ["none", "reminder", "shift"]
    wanted = "score direct paraphrased implicit product leak crosstalk crosstalk_changed drift top1 terse"
    wanted += " repetition implicit_assistant contains_direct seconds_per_preference prompt_tokens"
    for metrics in summary.values():
        assert set(wanted.split()) <= set(metrics)
        assert all(set(figure) == {"value", "low", "high", "n"} for figure in metrics.values())
    assert summary["shift"]["seconds_per_preference"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 2}
    assert summary["shift"]["dropped"]["value"] == 2
    assert summary["none"]["crosstalk_changed"]["value"] == 0
    assert summary["none"]["top1"]["n"] == 2 * len(DRIFT)


def test_the_report_says_what_it_was_made_with(em: EditableModel, whole: Path) -> None:
    info = json.loads((whole / "out" / "run.json").read_text())["run"]
    assert info["model"]["digest"] == em.digest
    assert info["data"]["items"] == [0, 1]
    assert info["command"] == "monogram bench upqa"
    assert str(whole) not in json.dumps(info)
    table = (whole / "out" / "summary.md").read_text()
    assert "| none" in table
    assert em.digest[:12] in table


def killed_after(folder: Path, em: EditableModel, monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """Run until so many lines are written, then die in the middle of the next."""
    append = RawLog.append

    def dying(log: RawLog, record: Any) -> None:
        if log.path.read_bytes().count(b"\n") >= lines:
            with log.path.open("ab") as file:
                file.write(json.dumps(record).encode()[:20])
            raise Killed
        append(log, record)

    with monkeypatch.context() as patch:
        patch.setattr(RawLog, "append", dying)
        with pytest.raises(Killed):
            measured(em, folder)


@pytest.mark.parametrize("lines", [0, 25, 50])
def test_a_killed_run_goes_on_to_the_same_result(
    em: EditableModel, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    killed_after(tmp_path, em, monkeypatch, lines)
    assert not (tmp_path / "out" / "summary.json").exists()
    before = raw_lines(tmp_path)[:lines]
    summary = measured(em, tmp_path)
    assert raw_lines(tmp_path)[:lines] == before  # nothing is done twice
    assert timeless(raw(tmp_path)) == timeless(raw(whole))
    assert untimed(summary) == untimed(json.loads((whole / "out" / "summary.json").read_text()))


def raw_lines(folder: Path) -> list[bytes]:
    return (folder / "out" / "raw.jsonl").read_bytes().splitlines()


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    return {m: {k: v for k, v in f.items() if k != "seconds_per_preference"} for m, f in summary.items()}


def test_a_finished_run_does_nothing_again(em: EditableModel, whole: Path) -> None:
    before = (whole / "out" / "raw.jsonl").read_bytes()
    shift = Shift(em)
    run(em, task(whole), [shift], whole / "out", settings=SETTINGS)
    assert shift.prepared == []
    assert (whole / "out" / "raw.jsonl").read_bytes() == before


def test_methods_may_join_later_and_all_are_reported(em: EditableModel, tmp_path: Path) -> None:
    run(em, task(tmp_path), [prompted("none")], tmp_path / "out", settings=SETTINGS)
    summary = run(em, task(tmp_path), [Shift(em)], tmp_path / "out", settings=SETTINGS)
    assert list(summary) == ["none", "shift"]


def other_model(em: EditableModel, folder: Path) -> None:
    run(tiny.editable(seed=1), task(folder), [prompted("none")], folder / "out", settings=SETTINGS)


def other_items(em: EditableModel, folder: Path) -> None:
    run(em, task(folder, limit=3), [prompted("none")], folder / "out", settings=SETTINGS)


def other_data(em: EditableModel, folder: Path) -> None:
    made = task(folder)
    (folder / "items.json").write_text((folder / "items.json").read_text().replace("Baker", "Cook"))
    from monogram.bench.items import load_items

    made.file = load_items(folder / "items.json")
    run(em, made, [prompted("none")], folder / "out", settings=SETTINGS)


def other_length(em: EditableModel, folder: Path) -> None:
    run(em, task(folder), [prompted("none")], folder / "out", settings=Settings(max_new_tokens=6))


def other_method(em: EditableModel, folder: Path) -> None:
    run(em, task(folder), [Shift(em, seed=9)], folder / "out", settings=SETTINGS)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (other_model, r"another model \(digest\)"),
        (other_items, r"another data \(items\)"),
        (other_data, r"another data \(sha256\)"),
        (other_length, r"another settings \(max_new_tokens\)"),
        (other_method, r"another method 'shift' \(seed\)"),
    ],
)
def test_nothing_else_is_mixed_into_a_folder(
    em: EditableModel, tmp_path: Path, other: Callable[[EditableModel, Path], None], what: str
) -> None:
    run(em, task(tmp_path), [Shift(em)], tmp_path / "out", settings=SETTINGS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match=what) as told:
        other(em, tmp_path)
    assert "--out a new folder" in str(told.value)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_other_code_is_not_mixed_in(
    em: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(em, task(tmp_path), [prompted("none")], tmp_path / "out", settings=SETTINGS)
    monkeypatch.setattr("monogram.bench.manifest.code_digest", lambda: "0" * 64)
    with pytest.raises(InputError, match="another code"):
        run(em, task(tmp_path), [prompted("none")], tmp_path / "out", settings=SETTINGS)


def test_a_delta_that_came_out_differently_is_asked_again(em: EditableModel, tmp_path: Path) -> None:
    """The same settings and another delta: answers of the two are not mixed in one item."""
    shift = Shift(em)
    run(em, task(tmp_path), [shift], tmp_path / "out", settings=SETTINGS)
    path = tmp_path / "out" / "raw.jsonl"
    kept = [line for line in raw_lines(tmp_path) if b'"product"' not in line]
    path.write_bytes(b"".join(line + b"\n" for line in kept).replace(b'"delta": "', b'"delta": "0'))
    run(em, task(tmp_path), [shift], tmp_path / "out", settings=SETTINGS)
    lines = raw(tmp_path)
    asked = Counter(r["kind"] for r in lines if r["method"] == "shift" and r["item"] == 0)
    assert asked["direct"] == asked["prepare"] == 2
    assert asked["product"] == 1


def test_two_runs_cannot_write_in_one_folder(em: EditableModel, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(InputError, match="Another run"):
        measured(em, tmp_path)


def test_a_file_where_the_folder_should_be_is_explained(em: EditableModel, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        measured(em, tmp_path)


def test_progress_goes_up_to_its_total(em: EditableModel, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def heard(what: str, done: int, total: int) -> None:
        told.setdefault(what, []).append((done, total))

    measured(em, tmp_path, progress=heard)
    for what in ("base answers", "shift: answers", "reminder: answers", "shift: preferences"):
        done = [d for d, _ in told[what]]
        assert done == sorted(done)
        assert told[what][-1][0] == told[what][-1][1]


def test_without_drift_nothing_is_said_of_it(em: EditableModel, tmp_path: Path) -> None:
    made = Settings(max_new_tokens=3, drift=False)
    summary = run(em, task(tmp_path, 1), [prompted("none")], tmp_path / "out", settings=made)
    assert summary["none"]["drift"]["n"] == summary["none"]["top1"]["n"] == 0
    assert summary["none"]["score"]["value"] is not None


def test_heads_are_the_first_tokens(em: EditableModel, whole: Path) -> None:
    for record in raw(whole):
        if "head" in record:
            assert record["head"] == list(em.tokenizer(record["answer"]).input_ids[: session.HEAD])
