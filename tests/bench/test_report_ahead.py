"""Ahead is who has the higher score beyond chance and loses no column; the frontier is who none beats."""

import json
from pathlib import Path
from typing import Any

from monogram.bench.intervals import rate
from monogram.bench.report.ahead import Duel, duels
from monogram.bench.report.axes import short, ticks
from monogram.bench.report.runs import entries, read
from monogram.bench.report.standing import beaten_by_none

ITEMS = 12


def rows(method: str, **share: float) -> list[dict[str, Any]]:
    """Answers of a method that are marked True for so large a share of the items."""
    found = []
    for name, part in share.items():
        for item in range(ITEMS):
            task = "upqa" if name not in ("leak", "crosstalk") else name
            row = {"method": method, "seed": 0, "task": task, "item": str(item), "kind": name, "variant": ""}
            about = {"question": "?", "target": "x", "attribute": "y", "answer": "!", "base": {"answer": ""}}
            found.append({**row, **about, "scores": {name: item < part * ITEMS}})
    return found


def fought(tmp_path: Path, *told: list[dict[str, Any]]) -> dict[tuple[str, str], Duel]:
    lines = [json.dumps(row) for some in told for row in some]
    (tmp_path / "raw.jsonl").write_text("\n".join(lines) + "\n")
    info = {"tasks": ["upqa", "leak", "crosstalk"], "methods": {}}
    (tmp_path / "run.json").write_text(json.dumps({"run": info}))
    return {(duel.first, duel.second): duel for duel in duels(entries(read([tmp_path])))}


def test_who_wins_and_loses_nothing_is_ahead(tmp_path: Path) -> None:
    strong = rows("strong", direct=1, paraphrased=1, leak=0)
    weak = rows("weak", direct=0.1, paraphrased=1, leak=0)
    found = fought(tmp_path, strong, weak)
    duel = found["strong", "weak"]
    assert duel.ahead
    assert (duel.won, duel.lost) == (["direct"], [])
    assert (duel.columns["direct"].wins, duel.columns["direct"].losses) == (10, 0)
    assert not found["weak", "strong"].ahead


def test_who_leaks_is_not_ahead_whatever_the_score(tmp_path: Path) -> None:
    leaky = rows("leaky", direct=1, paraphrased=1, leak=0.5)
    weak = rows("weak", direct=0, paraphrased=0, leak=0)
    duel = fought(tmp_path, leaky, weak)["leaky", "weak"]
    assert duel.score is not None
    assert duel.score[1] > 0
    assert duel.lost == ["leak"]
    assert not duel.ahead


def test_a_difference_within_chance_is_nobodys_lead(tmp_path: Path) -> None:
    found = fought(tmp_path, rows("a", direct=0.6, leak=0), rows("b", direct=0.5, leak=0))
    assert not any(duel.ahead for duel in found.values())


def test_the_frontier_is_who_is_beaten_by_none() -> None:
    points = {
        "good": (rate(1, 10), rate(9, 10)),
        "silent": (rate(0, 10), rate(0, 10)),
        "worse": (rate(2, 10), rate(9, 10)),
        "loud": (rate(9, 10), rate(10, 10)),
    }
    assert beaten_by_none(points) == ["silent", "good", "loud"]


def test_ticks_are_round_and_hold_what_is_drawn() -> None:
    for high in (0.003, 0.07, 0.9, 1, 7, 44, 730, 1_300_000):
        found = ticks(0, high)
        assert found[0] == 0
        assert high <= found[-1] < 2.1 * high
        assert 3 <= len(found) <= 8
        assert all(len(short(tick).strip("kM").replace(".", "")) <= 5 for tick in found)
    assert ticks(0, 0) == ticks(0, 1)
