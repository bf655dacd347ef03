"""`sizes`: just so many of the file's own questions train, each with the target that was meant."""

from pathlib import Path
from typing import Any

import pytest

from monogram.bench.asks import Case, Plan
from monogram.bench.items import Choice
from monogram.bench.methods import Edited, Method, methods
from monogram.bench.runner import run
from monogram.bench.sources import Sources
from monogram.bench.tasks.sizes import task
from monogram.editors.cluster import ClusterEditor
from monogram.editors.lines import lines_of, opening
from monogram.editors.neuron import Neuron
from monogram.editors.rome import RomeSequential
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.fakes import order
from tests.bench.records import BAKER, HIKER, written

WORDS = ["pastime", "interest", "pursuit", "diversion", "hobby"]
TARGETS = ["Rambling", "Fell walking", "Hiking", "Trekking", "Hill walking"]
MANY = {
    **HIKER,
    "attribute_type": WORDS,
    "question": [f"What's your {word}?" for word in WORDS[:-1]] + ["What's my hobby?"],
    "target": TARGETS,
}


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable(max_position_embeddings=1024)


def planned(folder: Path, *records: dict[str, Any]) -> Plan:
    return task.plan(Sources([written(folder, list(records))]), Choice())


def case_of(plan: Plan, name: str) -> Case:
    (found,) = [case for case in plan.cases if case.state.facts[0].id == name]
    return found


def test_each_size_trains_on_so_many_questions_the_original_first(tmp_path: Path, em: EditableModel) -> None:
    plan = planned(tmp_path, MANY, BAKER)
    names = [case.state.facts[0].id for case in plan.cases]
    assert names == ["0:1 same", "0:3 same", "0:3 different", "0:5 same", "0:5 different", "1:1 same"]
    assert [item for item, _ in plan.skipped] == ["0:9", "1:3", "1:5", "1:9"]
    for name in names[:-1]:
        (cluster,) = Edited(em, Neuron(), plan.asked).clusters(case_of(plan, name).state.facts)
        size = int(name[2])
        assert [p.text for p in cluster.train] == [f"What's my {w}?" for w in ["hobby", *WORDS]][:size]
        own = ["Hill walking", *TARGETS][:size] if "different" in name else ["Hill walking"] * size
        assert [p.target or cluster.preference.target for p in cluster.train] == own


def test_what_is_asked_does_not_train(tmp_path: Path) -> None:
    near = {**MANY, "question_paraphrased": "What's my pursuit?"}
    plan = planned(tmp_path, near)
    assert plan.skipped == (
        ("0:5", "4 questions can train, not 5."),
        ("0:9", "4 questions can train, not 9."),
    )
    assert "What's my pursuit?" in plan.asked
    assert "What's my hobby?" not in plan.asked


def test_each_question_is_taught_its_own_wording(tmp_path: Path, em: EditableModel) -> None:
    plan = planned(tmp_path, MANY)
    editor = Edited(em, Neuron(), plan.asked)
    for mode, wanted in (("same", ["Hill walking"] * 3), ("different", ["Hill walking", *TARGETS[:2]])):
        facts = case_of(plan, f"0:3 {mode}").state.facts
        (cluster,) = editor.clusters(facts)
        said = [f"{target} is your hobby." for target in wanted]
        begun = [opening(em, text) for text in said]
        assert [cluster.opening(p) for p in cluster.train] == said
        lines = lines_of(em, cluster, 3, 0)
        assert [a[: len(b)] for a, b in zip(lines.answers, begun, strict=True)] == begun
        answers = [fact.answer for fact in RomeSequential(synonyms=3).facts(em, cluster)]
        assert sorted(answers) == sorted(opening(em, target) for target in wanted)


def test_the_wording_changes_what_is_stitched_in(tmp_path: Path, em: EditableModel) -> None:
    plan = planned(tmp_path, MANY)
    for editor in (Neuron(layer=1), ClusterEditor(layer=1)):
        method = Edited(em, editor, plan.asked)
        states = [case_of(plan, f"0:3 {mode}").state.facts for mode in ("same", "different")]
        assert len({method.prepare(facts).digest for facts in states}) == 2


def test_marks_fall_to_their_size_and_mode() -> None:
    about = {"target": "Hill walking", "attribute": "hobby", "size": 3, "mode": "different"}
    row = {**about, "question": "What do I do on free days?", "base": {"answer": "I don't know."}}
    row["variants"] = ["Rambling"]
    found = task.marks({**row, "kind": "paraphrased", "answer": "Rambling."})
    assert found == {"sizes_different_paraphrased_3": True, "sizes_different_3": True}
    assert task.marks({**row, "kind": "trained", "answer": "No."}) == {"sizes_different_trained_3": False}
    assert task.marks({**row, "kind": "leak", "answer": "Hill walking."}) == {"sizes_different_leak_3": True}


def test_the_curve_is_measured(tmp_path: Path, em: EditableModel) -> None:
    made = order(tmp_path, "sizes", data=[written(tmp_path, [MANY])])

    def make(model: EditableModel, asked: Any, seed: int) -> list[Method]:
        return [*methods(["none"], model, asked), Edited(model, Neuron(layer=1), asked)]

    summary = run(em, made, make, tmp_path / "out")
    assert {f"sizes_{mode}_5" for mode in ("same", "different")} <= set(summary["neuron"])
    assert summary["neuron"]["sizes_same_leak_3"]["n"] > 0
