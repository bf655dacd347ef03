"""The plan's arithmetic, with the figures that were measured."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def told(*words: str) -> dict[str, Any]:
    command = [sys.executable, str(BENCHMARKS / "scale.py"), *words, "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def test_the_plan_is_what_its_figures_come_to() -> None:
    adapter = json.loads((BENCHMARKS / "scale.json").read_text())["adapters"]["float32"]
    found = told("plan", "--people", "1000000", "--preferences", "10", "--tokens", "170", "--gpu-hour", "2")
    assert found["adapters, present versions, TB"] == pytest.approx(adapter["10"]["bytes"] / 1e6, rel=0.01)
    every = "adapters, every version, one preference added at a time, TB"
    assert found[every] == pytest.approx(5.5 * adapter["10"]["bytes"] / 1e6, rel=0.01)
    assert found["requests a second, mean and peak"] == pytest.approx([23.1, 69.4], rel=0.01)
    assert found["replicas"] == 9  # 69.4 answers begun a second of 5.4 s each, 44.8 places on the mean
    money = found["money a month"]
    assert money["answers"] == 9 * 730 * 2
    assert found["money for a person and month"] == pytest.approx(sum(money.values()) / 1e6, rel=0.01)


def test_the_simulation_says_the_same_twice() -> None:
    words = ("simulate", "--people", "20000", "--count", "20000", "--held", "64", "--seed", "3")
    once = told(*words)
    assert once == told(*words)
    assert 0 < once["against adapters in memory"][0]["hit rate"] < 1
