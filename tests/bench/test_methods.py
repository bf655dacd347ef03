"""Methods: one protocol; clusters never hold what is asked; the file's lists go to who edits by synonym."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from monogram.bench import methods as room
from monogram.bench.methods import Edited, known, methods, preferences
from monogram.bench.questions import Upqa
from monogram.clusters.cluster import Cluster
from monogram.editors.base import Edit
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.records import HIKER, clustered, item, loaded, same
from tests.models.test_attach import delta_for


class Recorder:
    """An editor that remembers what it was given."""

    name: ClassVar[str] = "recorder"

    def __init__(self, **settings: Any) -> None:
        self.config = settings
        self.given: list[Cluster] = []

    def edit(self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Any = None) -> Edit:
        self.given += clusters
        return Edit(delta_for(model, 1), {"loss": [float("nan")]})


@pytest.fixture
def em() -> EditableModel:
    return tiny.editable()


def edited(em: EditableModel, asked: Sequence[str], **more: Any) -> tuple[Edited, Recorder]:
    recorder = Recorder()
    return Edited(em, recorder, preferences(), asked, **more), recorder


def test_nothing_that_is_asked_trains(em: EditableModel, tmp_path: Path) -> None:
    file = loaded(tmp_path)
    task = Upqa(file, file.items, same=same)
    method, recorder = edited(em, task.asked)
    prepared = method.prepare(file.items[0])
    (cluster,) = recorder.given
    texts = {p.text.casefold() for p in (*cluster.train, *cluster.contrast)}
    assert not texts & {text.casefold() for text in task.asked}
    assert prepared.details["dropped"] == cluster.dropped > 0
    assert prepared.details["phrasings"] == len(cluster.train) > 0


def test_an_edit_changes_weights_and_no_messages(em: EditableModel) -> None:
    method, _ = edited(em, [])
    prepared = method.prepare(item())
    chat = [{"role": "user", "content": "Hi"}]
    assert prepared.wrap(chat) == chat
    assert prepared.delta == delta_for(em, 1)
    assert prepared.seconds >= 0
    assert prepared.details["rank"] == 2
    assert prepared.details["edit"] == {"loss": ["nan"]}  # plain data, whatever an editor tells


def test_the_lists_of_the_file_go_to_who_edits_by_synonym(em: EditableModel, tmp_path: Path) -> None:
    listed = loaded(tmp_path, [clustered(HIKER)]).items[0]
    method, recorder = edited(em, ["What's my hobby?"], by_synonym=True)
    method.prepare(listed)
    method.prepare(item())
    assert [p.text for p in recorder.given[0].train] == ["What's my favorite pastime?"]
    assert len(recorder.given[1].train) > 5  # a single file: the table's


def test_an_item_with_nothing_left_to_train_on_is_explained(em: EditableModel, tmp_path: Path) -> None:
    listed = loaded(tmp_path, [clustered(HIKER)]).items[0]
    method, _ = edited(em, ["What's my hobby?", "What's my favorite pastime?"], by_synonym=True)
    with pytest.raises(InputError, match="No phrasing is left to train recorder on for record 0"):
        method.prepare(listed)


def test_polarity_is_the_items_else_the_tables() -> None:
    preference = preferences()
    assert preference(item()).polarity == "likes"
    assert preference(item(attribute="allergy")).polarity == "avoids"
    assert preference(item(attribute="shoe lacing")).polarity == "likes"
    assert preference(item(attribute="shoe lacing", polarity="avoids")).polarity == "avoids"


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str, **settings: Any) -> Recorder:
        recorder = Recorder(**settings)
        recorder.__dict__["name"] = name
        return recorder

    monkeypatch.setattr(room, "editor_names", lambda: ("neuron", "rome-sequential"))
    monkeypatch.setattr(room, "editor", made)


@pytest.mark.usefixtures("named")
def test_methods_come_by_name_in_the_order_asked(em: EditableModel) -> None:
    assert known() == ["none", "system-prompt", "reminder", "neuron", "rome-sequential"]
    assert [m.name for m in methods(["all"], em, [])] == known()
    made = methods(["neuron", " none", "neuron", "rome-sequential"], em, ["a"], {"neuron": {"layer": 3}})
    assert [m.name for m in made] == ["neuron", "none", "rome-sequential"]
    assert made[0].settings["config"] == {"layer": 3}
    assert [m.settings.get("by_synonym") for m in made] == [False, None, True]


@pytest.mark.usefixtures("named")
def test_a_name_nobody_knows_is_asked_about(em: EditableModel) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown method 'neurn'\. Did you mean 'neuron'"):
        methods(["neurn"], em, [])
    with pytest.raises(InputError, match="No method was named"):
        methods([""], em, [])
