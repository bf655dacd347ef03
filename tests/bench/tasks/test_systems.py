"""The direct question under each of the unseen system prompts."""

from pathlib import Path

import pytest

from monogram.bench.items import Choice
from monogram.bench.raw import Record
from monogram.bench.runner import run
from monogram.bench.sources import Sources
from monogram.bench.tasks.registry import task
from monogram.clusters.corpus import systems, unseen_systems
from tests import tiny
from tests.bench.fakes import Answering, always, order
from tests.bench.records import written


def test_each_unseen_system_prompt_comes_before_the_direct_question(tmp_path: Path) -> None:
    (case, _) = task("systems").plan(Sources((written(tmp_path),)), Choice(limit=2)).cases
    plain, *under = case.asks
    assert [turn["role"] for turn in plain.chat] == ["user"]
    assert [ask.chat[0] for ask in under] == [{"role": "system", "content": t} for t in unseen_systems()]
    assert {ask.chat[-1]["content"] for ask in under} == {plain.chat[-1]["content"]}
    assert not set(unseen_systems()) & set(systems())


def test_kept_counts_only_what_is_recalled_without_one() -> None:
    def row(item: str, kind: str, hit: bool) -> Record:
        return {"item": item, "kind": kind, "seed": 0, "scores": {kind: hit}}

    rows = [row("a", "no_system", True), row("a", "systems", True), row("a", "systems", False)]
    rows += [row("b", "no_system", False), row("b", "systems", True)]
    found = task("systems").figures(rows, 0)
    assert (found["systems_kept"].value, found["systems_kept"].n) == (0.5, 2)
    assert found["systems"].value == pytest.approx(2 / 3)
    assert found["no_system"].value == 0.5


def test_it_runs_end_to_end(tmp_path: Path) -> None:
    walking = Answering("walking", lambda fact, question: "You like hill walking best.")
    em = tiny.editable(max_position_embeddings=1024)
    written(tmp_path)
    summary = run(em, order(tmp_path, "systems", limit=1), always(walking), tmp_path / "out")
    assert {summary["walking"][m]["value"] for m in ("no_system", "systems", "systems_kept")} == {1}
    assert summary["walking"]["systems"]["n"] == len(unseen_systems())
