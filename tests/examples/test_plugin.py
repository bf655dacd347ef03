"""The example plugin: what it registers is found by name, and runs beside the built-in ones."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from monogram.bench.methods import known, methods
from monogram.bench.runner import run
from monogram.bench.tasks.registry import task, task_names
from monogram.editors.base import Editor
from monogram.editors.registry import editor, editor_names
from tests import tiny
from tests.bench.fakes import always, order
from tests.editors.clusters import cluster

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an installer leaves it: the package, and what its project file says, as metadata beside it."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path / "site"
    shutil.copytree(PLUGIN / "src", site)
    about = site / f"monogram_example-{project['version']}.dist-info"
    about.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(head, encoding="utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {place}" for name, place in points.items())])
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n\n".join(groups) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("installed")
def test_both_are_found_by_name() -> None:
    assert "mean-key" in editor_names()
    assert "mean-key" in known()
    assert "thanks" in task_names()
    assert isinstance(editor("mean-key", layer=1), Editor)
    assert task("thanks").help == "Is a thank you answered as before?"


@pytest.mark.usefixtures("installed")
def test_they_run_in_a_benchmark(tmp_path: Path) -> None:
    em = tiny.editable()
    made = methods(["none", "mean-key"], em, [], {"mean-key": {"layer": 1, "steps": 2}})
    summary = run(em, order(tmp_path, "thanks"), always(*made), tmp_path / "out")
    assert summary["none"]["thanks"] == {
        "value": 1.0,
        "low": pytest.approx(0.51, abs=0.01),
        "high": 1.0,
        "n": 4,
    }
    assert summary["mean-key"]["thanks"]["n"] == 4
    lines = (tmp_path / "out" / "raw.jsonl").read_text(encoding="utf-8").splitlines()
    prepared = [
        row for row in map(json.loads, lines) if row["method"] == "mean-key" and row["kind"] == "prepare"
    ]
    assert {row["details"]["rank"] for row in prepared} == {1}


@pytest.mark.usefixtures("installed")
def test_the_editor_keeps_to_what_editors_promise() -> None:
    em = tiny.editable()
    before, both = em.weights_digest(), [cluster(), cluster("job", "Baker")]
    ready = editor("mean-key", layer=1, steps=2)
    assert ready.edit(em, both).delta == ready.edit(em, both[::-1]).delta
    assert em.weights_digest() == before
