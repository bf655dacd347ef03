"""The summary is made from raw records alone; the tables show it."""

from typing import Any

import pytest

from monogram.bench.intervals import rate
from monogram.bench.report.tables import figures, headings, markdown, table
from monogram.bench.summary import skipped, summarise
from monogram.bench.tasks.registry import tasks

TASKS = tasks(["upqa"])


def answer(item: str, kind: str, task: str = "upqa", method: str = "m", **scores: Any) -> dict[str, Any]:
    row = {"method": method, "seed": 0, "task": task, "item": item, "kind": kind, "variant": ""}
    return row | {"answer": "...", "extra_tokens": 4, "scores": {kind: None, **scores}}


def prepare(state: str, seconds: float, preferences: int = 1, **details: float) -> dict[str, Any]:
    row = {"method": "m", "seed": 0, "task": "", "item": state, "kind": "prepare", "state": state}
    row |= {"preferences": preferences, "seconds": seconds, "extra_memory": int(1e6 * seconds)}
    return row | {"delta": "", "details": details}


BASE = {"method": "base", "seed": 0, "task": "", "item": "", "kind": "base", "variant": "d"}
SKIPPED = {"method": "m", "seed": 0, "task": "upqa", "kind": "skipped", "variant": "s", "why": "No."}
RECORDS = [
    {**BASE, "answer": "No idea."},
    answer("0", "direct", direct=True, contains_direct=True),
    answer("1", "direct", direct=False, contains_direct=False),
    answer("2", "direct", direct=None, contains_direct=False),
    answer("0", "leak", "leak", leak=True),
    answer("1", "leak", "leak", leak=False),
    {**answer("0", "next", "drift"), "kl": [0.0, 0.5], "agrees": [True, False]},
    prepare("0 a", 9.0, dropped=3),
    prepare("1 b", 1.0, dropped=1),
    prepare("2 c", 2.0, dropped=2),
    prepare("0+1 d", 99.0, preferences=2, dropped=50),
    {**SKIPPED, "item": "3"},
    {**SKIPPED, "item": "4"},
    {**answer("5", "direct"), "why": "Too long.", "scores": {}},
]


def test_figures_are_counted_by_hand() -> None:
    found = summarise(RECORDS, TASKS)["m"]
    assert found["direct"] == rate(1, 2)
    assert found["contains_direct"] == rate(1, 3)
    assert found["leak"] == rate(1, 2)
    assert found["top1"] == rate(1, 2)
    assert found["drift"].value == 0.25
    assert (found["seconds_per_preference"].value, found["seconds_per_preference"].n) == (2.0, 3)
    assert (found["extra_memory"].value, found["extra_memory"].n) == (2.0, 3)  # MB
    assert found["prompt_tokens"].value == 4.0
    assert found["dropped"].value == 2.0
    assert found["score"].n == 3  # items with an answer
    assert "base" not in summarise(RECORDS, TASKS)


def test_methods_come_in_the_order_they_were_asked_for() -> None:
    others = [{**record, "method": "other"} for record in RECORDS[1:]]
    assert list(summarise([*RECORDS, *others], TASKS, ["other", "m", "absent"])) == ["other", "m"]


def test_what_was_not_run_is_said_once_with_its_items() -> None:
    assert skipped(RECORDS) == [
        {"method": "m", "task": "upqa", "items": "3, 4", "why": "No."},
        {"method": "m", "task": "upqa", "items": "5", "why": "Too long."},
    ]


def test_the_table_has_a_row_per_metric_and_a_column_per_method() -> None:
    found = summarise(RECORDS, TASKS)
    shown = table(found, headings(found, TASKS))
    lines = shown.splitlines()
    assert lines[0].split("|")[2].strip() == "m"
    assert len({len(line) for line in lines}) == 1
    row = next(line for line in lines if line.startswith("| direct"))
    assert "0.50 (0.09–0.91) n=2" in row
    assert not any(line.startswith("| paraphrased") for line in lines)  # nobody was asked
    assert lines[2].startswith("| score")
    assert lines[-1].startswith("| phrasings dropped")


def test_figures_come_back_from_plain_data() -> None:
    found = summarise(RECORDS, TASKS)
    plain = {method: {name: f.as_dict() for name, f in row.items()} for method, row in found.items()}
    assert figures(plain) == found


def test_the_report_names_model_data_command_and_what_was_not_run() -> None:
    run = {"tasks": ["upqa"], "model": {"name": "tiny", "digest": "abc", "dtype": "float32"}}
    run |= {"command": "x y", "data": {"items.json": "f" * 64}, "skipped": skipped(RECORDS)}
    shown = markdown(summarise(RECORDS, TASKS), TASKS, run, {})
    assert shown.startswith("# upqa\n")
    assert "tiny (abc, float32)" in shown
    assert "items.json (ffffffffffff)" in shown
    assert "`x y`" in shown
    assert "- m upqa (3, 4): No." in shown


@pytest.mark.parametrize("name", ["upqa", "violation", "retention", "change", "forget", "multiturn", "cost"])
def test_every_metric_of_a_table_is_told_once(name: str) -> None:
    told = [heading for task in tasks([name]) for heading in task.headings.values()]
    assert len(set(told)) == len(told)
