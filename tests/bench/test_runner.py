"""Runs: complete, and gone on with after a kill to the same result."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monogram.bench import session, work
from monogram.bench.asks import Ask
from monogram.bench.facts import fact
from monogram.bench.items import Choice
from monogram.bench.methods import Method, Prompted
from monogram.bench.raw import key
from monogram.bench.runner import command_line, run, run_models, slug
from monogram.errors import EditRefusedError, InputError
from monogram.models.editable import EditableModel
from monogram.models.generate import generate
from monogram.prompting.baselines import Reminder
from tests import tiny
from tests.bench.fakes import Shift, always, order, prompted

TASKS = ("upqa", "forget", "change")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable(max_position_embeddings=1024)


def three(em: EditableModel) -> list[Method]:
    return [prompted("none"), prompted("reminder"), Shift(em)]


def measured(em: EditableModel, folder: Path, **more: Any) -> dict[str, Any]:
    return run(em, order(folder, *TASKS, **more), always(*three(em)), folder / "out")


def raw(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "raw.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(em: EditableModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    measured(em, folder, command="monogram bench upqa")
    return folder


def timeless(records: list[dict[str, Any]]) -> list[str]:
    return sorted(
        json.dumps({k: v for k, v in r.items() if k not in ("seconds", "extra_memory")}, sort_keys=True)
        for r in records
    )


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    noise = ("seconds_per_preference", "extra_memory")
    return {m: {k: v for k, v in f.items() if k not in noise} for m, f in summary.items()}


def test_every_method_is_asked_everything_once(whole: Path) -> None:
    lines = raw(whole)
    keys = Counter(key(record) for record in lines)
    assert set(keys.values()) == {1}
    plans = order(whole, *TASKS).plans()
    wanted = {task.name: sum(len(case.asks) for case in plan.cases) for task, plan in plans}
    assert set(wanted) == {"upqa", "leak", "crosstalk", "drift", "forget", "change"}
    for method in ("none", "reminder", "shift"):
        tasks = Counter(r["task"] for r in lines if r["method"] == method and "scores" in r)
        assert tasks == wanted


def test_one_edit_serves_all_tasks_that_ask_about_it(em: EditableModel, tmp_path: Path) -> None:
    shift = Shift(em)
    run(em, order(tmp_path, *TASKS), always(shift), tmp_path / "out")
    # two items, each alone, each alone again, both together; and what the hiker changes to
    assert Counter(shift.prepared) == {("0",): 2, ("1",): 2, ("0", "1"): 1, ("3",): 1}


def test_answers_are_the_models_own_under_each_states_delta(em: EditableModel, whole: Path) -> None:
    items = {item.id: item for item in order(whole, "upqa").sources.items.items}
    for record in raw(whole):
        if record["method"] == "shift" and record["task"] == "upqa" and "answer" in record:
            delta = Shift(em).prepare([fact(items[record["item"]])]).delta
            alone = generate(em, [record["question"]], deltas=delta, max_new_tokens=3)
            assert record["answer"] == alone[0]


def test_a_row_holds_all_that_a_report_needs(whole: Path) -> None:
    row = next(r for r in raw(whole) if r["method"] == "shift" and r["kind"] == "direct")
    assert (row["task"], row["item"], row["seed"], row["question"]) == ("upqa", "0", 0, "What's my hobby?")
    assert (row["attribute"], row["target"]) == ("hobby", "Hill walking")
    assert set(row["scores"]) >= {"direct", "contains_direct", "terse", "excluded"}
    none = next(r for r in raw(whole) if r["method"] == "none" and r["kind"] == "direct")
    assert row["base"]["answer"] == none["answer"] == none["base"]["answer"]
    assert row["extra_tokens"] == 0


def test_rows_say_how_far_an_edit_fires_where_that_tells_something(whole: Path) -> None:
    answers = [r for r in raw(whole) if "answer" in r and "scores" in r]
    telling = {"upqa": {"direct", "paraphrased", "implicit", "implicit_assistant", "product"}}
    telling |= {"leak": {"leak"}, "crosstalk": {"crosstalk"}, "drift": {"unrelated"}}
    for row in answers:
        told = row["method"] == "shift" and row["kind"] in telling.get(row["task"], ())
        assert ("gate" in row) == told
    assert {row["task"] for row in answers if "gate" in row} == set(telling)
    for item in ("0", "1"):  # one reading of all that a state is asked
        gates = [r["gate"] for r in answers if r["item"] == item and "gate" in r]
        assert sorted(gates) == [round(place + len(gates) / 1000, 4) for place in range(len(gates))]


def test_the_base_model_answers_each_question_once(whole: Path) -> None:
    base = [r for r in raw(whole) if r["kind"] == "base"]
    assert len({r["question"] + r.get("system", "") for r in base}) == len(base)


def test_the_summary_has_every_metric_with_its_interval(whole: Path) -> None:
    summary = json.loads((whole / "out" / "summary.json").read_text())
    assert list(summary) == ["none", "reminder", "shift"]
    wanted = "score direct paraphrased implicit product leak crosstalk crosstalk_changed drift top1 terse"
    wanted += " repetition implicit_assistant contains_direct seconds_per_preference extra_memory"
    wanted += " prompt_tokens"
    for metrics in summary.values():
        assert set(wanted.split()) <= set(metrics)
        assert all(set(figure) == {"value", "low", "high", "n"} for figure in metrics.values())
    assert summary["shift"]["seconds_per_preference"]["value"] == 0.5
    assert summary["none"]["crosstalk_changed"]["value"] == 0
    assert (summary["none"]["drift"]["value"], summary["none"]["top1"]["value"]) == (0, 1)
    assert summary["shift"]["drift"]["value"] > 0


def test_the_report_says_what_it_was_made_with(em: EditableModel, whole: Path) -> None:
    info = json.loads((whole / "out" / "run.json").read_text())["run"]
    assert info["model"]["digest"] == em.digest
    assert list(info["data"]) == ["items.json"]
    assert info["command"] == "monogram bench upqa"
    assert str(whole) not in json.dumps(info)
    assert em.digest[:12] in (whole / "out" / "summary.md").read_text()


def killed_at(folder: Path, lines: int) -> None:
    """Start a real process, and kill it once so many lines are written."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.process", str(folder), *TASKS], cwd=ROOT, env=os.environ
    )
    path = folder / "out" / "raw.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was over before it could be killed"


@pytest.mark.slow  # real processes, each of which imports torch
@pytest.mark.parametrize("lines", [1, 90, 170])
def test_a_run_that_was_killed_goes_on_to_the_same_result(
    em: EditableModel, whole: Path, tmp_path: Path, lines: int
) -> None:
    killed_at(tmp_path, lines)
    assert not (tmp_path / "out" / "summary.json").exists()
    path = tmp_path / "out" / "raw.jsonl"
    before = path.read_bytes()
    before = before[: before.rfind(b"\n") + 1]
    summary = measured(em, tmp_path)
    assert path.read_bytes().startswith(before)  # nothing is done twice
    assert timeless(raw(tmp_path)) == timeless(raw(whole))
    assert untimed(summary) == untimed(json.loads((whole / "out" / "summary.json").read_text()))


def test_what_two_methods_put_alike_is_answered_once_also_after_a_stop(
    em: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twin(Reminder):
        name = "twin"

    asked = []

    def counted(model: EditableModel, chats: list[Any], **more: Any) -> list[str]:
        asked.extend(chats)
        return generate(model, chats, **more)

    monkeypatch.setattr(work, "generate", counted)
    methods = [prompted("none"), prompted("reminder"), Prompted(Twin())]
    run(em, order(tmp_path, "upqa"), always(*methods[:2]), tmp_path / "out")
    before = len(asked)
    run(em, order(tmp_path, "upqa"), always(*methods), tmp_path / "out")
    assert len(asked) == before
    rows = [r for r in raw(tmp_path) if r["method"] in ("reminder", "twin") and "answer" in r]
    said = {(r["method"], *key(r)[2:]): r["answer"] for r in rows}
    reminded = {place[1:]: answer for place, answer in said.items() if place[0] == "reminder"}
    assert reminded == {place[1:]: answer for place, answer in said.items() if place[0] == "twin"}
    path = tmp_path / "out" / "raw.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: -len(reminded) // 2]))
    run(em, order(tmp_path, "upqa"), always(*methods), tmp_path / "out")
    assert timeless(raw(tmp_path)) == timeless([json.loads(line) for line in lines])
    assert len(asked) == before


def test_a_finished_run_does_nothing_again(em: EditableModel, whole: Path) -> None:
    before = (whole / "out" / "raw.jsonl").read_bytes()
    shift = Shift(em)
    run(em, order(whole, *TASKS), always(shift), whole / "out")
    assert shift.prepared == []
    assert (whole / "out" / "raw.jsonl").read_bytes() == before


def test_methods_may_join_later_and_all_are_reported(em: EditableModel, tmp_path: Path) -> None:
    run(em, order(tmp_path, "leak"), always(prompted("none")), tmp_path / "out")
    summary = run(em, order(tmp_path, "leak"), always(Shift(em)), tmp_path / "out")
    assert list(summary) == ["none", "shift"]


def test_seeds_are_run_one_by_one_and_who_draws_nothing_is_said(em: EditableModel, tmp_path: Path) -> None:
    def make(model: EditableModel, asked: object, seed: int) -> list[Method]:
        return [prompted("none"), Shift(em, seed=seed)]

    summary = run(em, order(tmp_path, "leak", seeds=(0, 1)), make, tmp_path / "out")
    assert (summary["none"]["leak"]["n"], summary["shift"]["leak"]["n"]) == (6, 12)
    deltas = {r["seed"]: r["delta"] for r in raw(tmp_path) if r["kind"] == "prepare" and r["delta"]}
    assert deltas[0] != deltas[1]
    assert "seed 1 would be seed 0 again" in (tmp_path / "out" / "summary.md").read_text()


def test_what_a_method_refuses_is_a_row_that_says_why(em: EditableModel, tmp_path: Path) -> None:
    class Refusing(Shift):
        def prepare(self, facts: Any, *, again: bool = False) -> Any:
            if facts[0].preference.target == "Baker":
                raise EditRefusedError("The edit would leak.", None)
            return super().prepare(facts)

    made = Refusing(em)
    summary = run(em, order(tmp_path, "upqa"), always(made), tmp_path / "out")
    assert summary["shift"]["direct"]["n"] == 1
    why = [r for r in raw(tmp_path) if r["kind"] == "skipped"]
    assert {(r["task"], r["item"]) for r in why} == {(t, "1") for t in ("upqa", "leak", "crosstalk", "drift")}
    assert "The edit would leak." in (tmp_path / "out" / "summary.md").read_text()
    before = len(made.prepared)
    run(em, order(tmp_path, "upqa"), always(made), tmp_path / "out")
    assert len(made.prepared) == before  # it is done


def test_a_conversation_that_is_too_long_is_a_row_that_says_why(tmp_path: Path) -> None:
    small = tiny.editable(max_position_embeddings=64)
    methods = always(prompted("none"), prompted("reminder"))
    summary = run(small, order(tmp_path, "leak"), methods, tmp_path / "out")
    assert summary["reminder"].get("leak") is None
    assert "the model takes 64" in (tmp_path / "out" / "summary.md").read_text()


def test_several_models_have_a_folder_each_and_one_summary(
    em: EditableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"org/a": em, "b": tiny.editable("gpt2")}
    monkeypatch.setattr(EditableModel, "load", lambda name, progress: there[name])
    out, made = tmp_path / "out", always(prompted("none"))
    summary = run_models(["org/a", "b"], order(tmp_path, "leak"), made, out)
    assert json.loads((out / "summary.json").read_text()) == summary
    for name, folder in (("org/a", "org-a"), ("b", "b")):
        assert json.loads((out / folder / "summary.json").read_text()) == summary[name]
    run_models(["b"], order(tmp_path, "leak"), made, tmp_path / "one")
    with pytest.raises(InputError, match="holds a run of one model"):
        run_models(["org/a", "b"], order(tmp_path, "leak"), made, tmp_path / "one")
    assert slug("../x y") == "x-y"


def test_progress_goes_up_to_its_total(em: EditableModel, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def heard(what: str, done: int, total: int) -> None:
        if what == session.MADE:
            told.append((done, total))

    run(em, order(tmp_path, *TASKS), always(*three(em)), tmp_path / "out", heard)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == len(told)


def test_a_command_is_told_as_it_could_be_typed() -> None:
    shown = command_line("upqa,leak", data=(Path("/x/my items.json"), Path("b")), per_attribute=4, limit=None)
    assert shown == "monogram bench upqa,leak --data 'my items.json' --data b --per-attribute 4"


def test_asks_of_one_digest_are_the_same_for_the_base_model() -> None:
    same = Ask("a", gold={"target": "x"}), Ask("b", gold={"target": "y"})
    assert same[0].digest == same[1].digest != Ask("a", options=("x",)).digest


def test_a_choice_is_kept_in_the_manifest(em: EditableModel, tmp_path: Path) -> None:
    made = replace(order(tmp_path, "leak"), choice=Choice(per_attribute=1))
    run(em, made, always(prompted("none")), tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]
    assert (kept["per_attribute"], kept["limit"], kept["protocol"]) == (1, None, "honest")
