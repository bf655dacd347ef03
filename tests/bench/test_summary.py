"""The summary is made from raw records alone; the score is the formula of docs/evaluation.md §5."""

from typing import Any

import pytest

from monogram.bench.intervals import Figure, rate
from monogram.bench.report import COST, UPQA, figures, markdown, table
from monogram.bench.summary import HEADLINE, score, summarise

BASE = {"method": "base", "item": -1, "kind": "base", "variant": "What's my hobby?"}
BASE |= {"answer": "I don't know.", "head": [1]}


def answer(item: int, kind: str, said: str, **more: Any) -> dict[str, Any]:
    about = {"attribute": "hobby", "target": "Hiking", "question": "What's my hobby?", "extra_tokens": 4}
    return {
        "method": "m",
        "item": item,
        "kind": kind,
        "variant": "",
        "answer": said,
        "head": [2],
        **about,
        **more,
    }


def prepare(item: int, seconds: float, **details: float) -> dict[str, Any]:
    return {
        "method": "m",
        "item": item,
        "kind": "prepare",
        "seconds": seconds,
        "delta": "",
        "details": details,
    }


RECORDS = [
    BASE,
    answer(0, "direct", "Hiking."),
    answer(1, "direct", "Knitting."),
    answer(2, "direct", "hobby", target="A hobby"),
    answer(0, "leak", "She likes hiking.", variant="person"),
    answer(0, "leak", "No idea.", variant="relative"),
    answer(0, "crosstalk", "No idea.", variant="job"),
    {"method": "m", "item": 0, "kind": "drift", "kl": [0.0, 0.5], "agrees": [True, False]},
    prepare(0, 9.0, dropped=3),
    prepare(1, 1.0, dropped=1),
    prepare(2, 2.0, dropped=2),
]


def test_figures_are_counted_by_hand() -> None:
    found = summarise(RECORDS)["m"]
    assert found["direct"] == rate(1, 2)
    assert found["excluded"] == rate(1, 3)
    assert found["leak"] == rate(1, 2)
    assert found["crosstalk"] == rate(0, 1)
    assert found["crosstalk_changed"] == rate(1, 1)
    assert found["top1"] == rate(1, 2)
    assert found["drift"].value == 0.25
    assert found["contains_direct"] == rate(1, 3)
    assert found["paraphrased"].n == 0
    assert (found["seconds_per_preference"].value, found["seconds_per_preference"].n) == (2.0, 3)
    assert found["prompt_tokens"].value == 4.0
    assert found["dropped"].value == 2.0
    assert "base" not in summarise(RECORDS)


def test_methods_come_in_the_order_they_were_asked_for() -> None:
    others = [{**record, "method": "other"} for record in RECORDS[1:]]
    assert list(summarise([*RECORDS, *others], ["other", "m", "absent"])) == ["other", "m"]


def column(**told: list[bool | None]) -> dict[str, list[bool | None]]:
    perfect = {name: [name not in ("leak", "crosstalk")] for name in HEADLINE}
    return {**perfect, **told}


def test_the_score_is_the_harmonic_mean_of_smoothed_rates() -> None:
    nine = [column() for _ in range(10)]
    assert score(nine).value == pytest.approx(11 / 12)
    poor = [column(implicit=[False]) for _ in range(10)]
    assert score(poor).value == pytest.approx(7 / (6 / (11 / 12) + 1 / (1 / 12)))
    assert score(poor).n == 10


def test_leak_lowers_the_score_and_unscored_marks_do_not() -> None:
    leaky = [column(leak=[True, False]) for _ in range(4)]
    assert score(leaky).value == pytest.approx(7 / (6 / (5 / 6) + 1 / (5 / 10)))
    assert score([column(direct=[None, True])]) == score([column()])


def test_a_column_that_was_not_run_is_left_out() -> None:
    without: list[dict[str, list[bool | None]]] = [column(top1=[]) for _ in range(10)]
    assert score(without).value == pytest.approx(11 / 12)
    assert score([]) == score([{}]) == Figure(None, None, None, 0)


def test_the_scores_interval_draws_items() -> None:
    mixed = [column(direct=[i % 2 == 0], product=[i % 3 == 0]) for i in range(12)]
    found = score(mixed)
    assert found == score(mixed)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low < found.value < found.high
    assert score(mixed, seed=1) != found


def test_the_table_has_a_row_per_metric_and_a_column_per_method() -> None:
    shown = table(summarise(RECORDS), UPQA)
    lines = shown.splitlines()
    assert lines[0].split("|")[2].strip() == "m"
    assert len({len(line) for line in lines}) == 1
    row = next(line for line in lines if line.startswith("| direct"))
    assert "0.50 (0.09–0.91) n=2" in row
    assert not any(line.startswith("| paraphrased") for line in lines)  # nobody was asked


def test_figures_come_back_from_plain_data() -> None:
    found = summarise(RECORDS)
    plain = {method: {name: f.as_dict() for name, f in row.items()} for method, row in found.items()}
    assert figures(plain) == found


def test_the_report_names_model_data_and_command() -> None:
    run = {"task": "upqa", "model": {"name": "tiny", "digest": "abc", "dtype": "float32"}, "command": "x y"}
    shown = markdown(summarise(RECORDS), run)
    assert shown.startswith("# upqa\n")
    assert "tiny (abc, float32)" in shown
    assert "`x y`" in shown


def test_every_metric_of_a_table_is_told_once() -> None:
    assert len(set(UPQA.values())) == len(UPQA)
    assert len(set(COST.values())) == len(COST)
