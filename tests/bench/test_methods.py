"""Methods: one protocol; clusters never hold what is asked; the file's lists go to who edits by synonym."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from monogram.bench import methods as room
from monogram.bench.facts import Fact, fact
from monogram.bench.items import Choice
from monogram.bench.methods import Edited, Method, known, methods
from monogram.bench.runner import run
from monogram.bench.sources import Sources
from monogram.bench.tasks.crosstalk import task as crosstalk
from monogram.bench.tasks.upqa import task as upqa
from monogram.clusters.cluster import Cluster
from monogram.editors.base import Edit
from monogram.editors.grace import Grace
from monogram.editors.neuron import Neuron
from monogram.editors.values import ValueConfig
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from monogram.prompting.registry import baselines
from tests import tiny
from tests.bench.fakes import order
from tests.bench.records import HIKER, clustered, item, loaded, written
from tests.models.test_attach import delta_for


class Recorder:
    """An editor that remembers what it was given."""

    name: ClassVar[str] = "recorder"

    def __init__(self, **settings: Any) -> None:
        self.config = SimpleNamespace(**settings)
        self.given: list[Cluster] = []

    def edit(self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Any = None) -> Edit:
        self.given += clusters
        return Edit(delta_for(model, 1), {"loss": [float("nan")]})


@pytest.fixture
def em() -> EditableModel:
    return tiny.editable()


def edited(em: EditableModel, asked: Sequence[str], **more: Any) -> tuple[Edited, Recorder]:
    recorder = Recorder()
    return Edited(em, recorder, asked, **more), recorder


def test_nothing_that_is_asked_trains(em: EditableModel, tmp_path: Path) -> None:
    sources = Sources([written(tmp_path)])
    asked = [text for task in (upqa, crosstalk) for text in task.plan(sources, Choice()).asked]
    method, recorder = edited(em, asked)
    prepared = method.prepare([fact(sources.items.items[0])])
    (cluster,) = recorder.given
    texts = {p.text.casefold() for p in (*cluster.train, *cluster.contrast)}
    assert not texts & {text.casefold() for text in asked}
    assert prepared.details["dropped"] == cluster.dropped > 0
    assert prepared.details["phrasings"] == len(cluster.train) > 0


def test_an_edit_changes_weights_and_no_messages(em: EditableModel) -> None:
    method, _ = edited(em, [])
    prepared = method.prepare([fact(item())])
    chat = [{"role": "user", "content": "Hi"}]
    assert prepared.wrap(chat) == chat
    assert prepared.delta == delta_for(em, 1)
    assert prepared.seconds >= 0
    assert prepared.details["rank"] == 2
    assert prepared.details["edit"] == {"loss": ["nan"]}  # plain data, whatever an editor tells


def test_the_lists_of_the_file_go_to_who_edits_by_synonym(em: EditableModel, tmp_path: Path) -> None:
    listed = loaded(tmp_path, [clustered(HIKER)]).items[0]
    method, recorder = edited(em, ["What's my hobby?"], by_synonym=True)
    method.prepare([fact(listed)])
    method.prepare([fact(item())])
    assert [p.text for p in recorder.given[0].train] == ["What's my favorite pastime?"]
    assert len(recorder.given[1].train) > 5  # a single file: the table's


def test_an_item_with_nothing_left_to_train_on_is_explained(em: EditableModel, tmp_path: Path) -> None:
    listed = loaded(tmp_path, [clustered(HIKER)]).items[0]
    method, _ = edited(em, ["What's my hobby?", "What's my favorite pastime?"], by_synonym=True)
    with pytest.raises(InputError, match="No phrasing is left to train recorder on for hobby"):
        method.prepare([fact(listed)])


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(model: EditableModel, name: str, **settings: Any) -> Recorder:
        recorder = Recorder(**settings)
        recorder.__dict__["name"] = name
        return recorder

    monkeypatch.setattr(room, "editor_names", lambda: ("neuron", "rome-sequential"))
    monkeypatch.setattr(room, "editor_for", made)


@pytest.mark.usefixtures("named")
def test_methods_come_by_name_in_the_order_asked(em: EditableModel) -> None:
    assert known() == [*baselines(), "neuron", "rome-sequential"]
    assert [m.name for m in methods(["all"], em, [])] == [n for n in known() if n != "neuron-plain"]
    settings = {"neuron": {"layer": 3}, "rome-sequential": {"synonyms": 9}}
    made = methods(["neuron", " none", "neuron", "rome-sequential"], em, ["a"], settings)
    assert [m.name for m in made] == ["none", "neuron", "rome-sequential"]  # the cheap ones first
    assert made[1].settings["config"] == SimpleNamespace(layer=3)
    assert [m.settings.get("by_synonym") for m in made] == [None, False, True]


@pytest.mark.usefixtures("named")
def test_a_name_nobody_knows_is_asked_about(em: EditableModel) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown method 'neurn'\. Did you mean 'neuron'"):
        methods(["neurn"], em, [])
    with pytest.raises(InputError, match="No method was named"):
        methods([""], em, [])


def test_nobody_is_the_base_model_and_a_person_has_all_clusters(em: EditableModel) -> None:
    method, recorder = edited(em, [])
    assert method.prepare([]).delta is None
    method.prepare([fact(item()), fact(item(attribute="job", target="Baker", direct="What's my job?"))])
    assert [cluster.preference.target for cluster in recorder.given] == ["Hill walking", "Baker"]


def test_a_seed_goes_to_who_draws(em: EditableModel) -> None:
    drawing, still, none = methods(["neuron", "rome", "none"], em, [], seed=7)[1:] + methods(["none"], em, [])
    assert drawing.settings["config"].value.seed == drawing.settings["seed"] == 7
    assert "seed" not in still.settings
    assert "seed" not in none.settings


def test_a_states_digest_is_the_deltas_or_the_prompts(em: EditableModel) -> None:
    method, _ = edited(em, [])
    assert method.prepare([fact(item())]).digest == delta_for(em, 1).digest
    none, reminder = methods(["none", "reminder"], em, [])
    told = reminder.prepare([fact(item())]).digest
    assert told == reminder.prepare([fact(item())]).digest
    assert told != reminder.prepare([]).digest == none.prepare([fact(item())]).digest


def test_grace_is_measured_like_any_other(tmp_path: Path) -> None:
    model = tiny.editable(dtype=torch.float32)

    def make(model: EditableModel, asked: Sequence[str], seed: int) -> list[Method]:
        return [*methods(["none"], model, asked), Edited(model, Grace(layer=1, radius=1e6, steps=1), asked)]

    made = order(tmp_path, "upqa", "forget", "capability", limit=2)
    summary = run(model, made, make, tmp_path / "out")
    assert summary["grace"]["direct"]["n"] == 2
    assert summary["grace"]["drift"]["value"] > 0
    kept = [json.loads(line) for line in (tmp_path / "out" / "raw.jsonl").read_text().splitlines()]
    took = [row["details"] for row in kept if row["kind"] == "prepare" and row["method"] == "grace"]
    assert all("rank" not in row and row["nbytes"] > 0 for row in took if row)


def test_what_is_come_back_to_is_made_of_what_was_kept(tmp_path: Path) -> None:
    em = tiny.editable()
    one, other = (fact(some) for some in loaded(tmp_path).items[:2])
    method = Edited(em, Neuron(layer=1, value=ValueConfig(steps=2)), [])

    def steps(facts: Sequence[Fact], *, again: bool) -> tuple[str, list[int]]:
        made = method.prepare(facts, again=again)
        return made.digest, made.details["edit"]["steps"]

    first = steps([one], again=False)
    assert steps([one], again=False) == first == (first[0], [2])  # by itself, whatever was before
    assert steps([one, other], again=False)[1] == [2, 2]
    assert steps([one], again=True) == (first[0], [0])
    assert Edited(em, method.editor, []).prepare([one], again=True).digest == first[0]  # after a kill
