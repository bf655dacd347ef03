"""What was found once is not found again, and a delta is the same to the bit whether it was or not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from monogram.clusters.cluster import Cluster, Phrasing
from monogram.editors import intent
from monogram.editors import kept as room
from monogram.editors import neuron as flagship
from monogram.editors.base import Edit, edit_with
from monogram.editors.cluster import ClusterEditor
from monogram.editors.kept import FORMAT, Memory, address
from monogram.editors.neuron import Neuron
from monogram.editors.rome import Rome, RomeSequential
from monogram.editors.values import ValueConfig
from monogram.models.editable import EditableModel
from monogram.store.artefacts import Artefacts, Shelf
from tests import tiny
from tests.editors import ground
from tests.editors.clusters import cluster

VALUE = ValueConfig(steps=3, stop=0.0)
NEURON: dict[str, Any] = {"layer": 1, "asks": 1, "advice": 1, "value": VALUE}
JOINT: dict[str, Any] = {"layer": 1, "phrasings": 1, "value": replace(VALUE, gates=(1.0, 1.0), clamp=4.0)}
ROME: dict[str, Any] = {"layer": 1, "steps": 3}
EDITORS: dict[str, Any] = {
    "neuron": Neuron(**NEURON),
    "cluster": ClusterEditor(**JOINT),
    "rome": Rome(**ROME),
}
KINDS = ("llama", "gpt2")
GOLDEN = {11: (0.833317, 37.752595, 41.434543, 5.823730)}
"""Format -> lengths of the flagship's detector and residual, of the joint one's and ROME's residuals."""


CLUSTERS = [
    cluster("hobby", "Hiking"),
    cluster("job", "Baker"),
    cluster("diet", "vegan"),
    cluster("pet", "Cat"),
]
MODELS = {kind: tiny.editable(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def little_ground(monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> None:
    ground.put(monkeypatch, shared_home)


def shelf(folder: Path) -> Shelf:
    return Artefacts(folder).of("alice")


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def anew(edit: Edit) -> int:
    """How many values were found now."""
    return sum(map(bool, edit.details["steps"])) if "steps" in edit.details else int(edit.details["found"])


@pytest.fixture(scope="module")
def never_kept() -> dict[Any, Any]:
    """Deltas without anything kept, by model, editor and set."""
    return {}


@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(order=st.lists(st.integers(0, len(CLUSTERS) - 1), min_size=2, max_size=6))
def test_whatever_was_added_and_forgotten_the_delta_is_the_sets_own(
    kind: str,
    name: str,
    order: Sequence[int],
    tmp_path_factory: pytest.TempPathFactory,
    never_kept: dict[Any, Any],
) -> None:
    """Each number adds the cluster of that place, or forgets it where it is there."""
    em, editor, keep = MODELS[kind], EDITORS[name], shelf(tmp_path_factory.mktemp("kept"))
    present: set[int] = set()
    seen: set[int] = set()
    for place in order:
        present ^= {place}
        if not present:
            continue
        edit = editor.edit(em, [CLUSTERS[i] for i in present], keep=keep)
        assert anew(edit) == len(present - seen)
        seen |= present
        plain = (kind, name, frozenset(present))
        if plain not in never_kept:
            never_kept[plain] = editor.edit(em, [CLUSTERS[i] for i in present]).delta
        assert edit.delta == never_kept[plain]
        assert edit.delta.digest == never_kept[plain].digest


@pytest.mark.parametrize("name", EDITORS)
def test_what_is_damaged_is_found_anew_and_mended(name: str, tmp_path: Path) -> None:
    em, editor, keep = MODELS["llama"], EDITORS[name], shelf(tmp_path)
    plain = editor.edit(em, CLUSTERS[:2], keep=keep).delta
    cut, changed = files(tmp_path)
    cut.write_bytes(cut.read_bytes()[:-9])
    whole = changed.read_bytes()
    changed.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    edit = editor.edit(em, CLUSTERS[:2], keep=keep)
    assert (edit.delta, anew(edit)) == (plain, 2)
    assert anew(editor.edit(em, CLUSTERS[:2], keep=keep)) == 0


def test_what_has_another_shape_is_found_anew(tmp_path: Path) -> None:
    em, editor, keep = MODELS["llama"], EDITORS["neuron"], shelf(tmp_path)
    plain = editor.edit(em, CLUSTERS[:1], keep=keep).delta
    (path,) = files(tmp_path)
    digest = CLUSTERS[0].preference.digest
    right = keep.read(digest, path.stem)
    assert right is not None
    for wrong in (
        right | {"residual": right["residual"][:-1]},
        right | {"residual": right["residual"][None]},
        right | {"residual": right["residual"].float()},
        right | {"more": right["residual"]},
        {part: tensor for part, tensor in right.items() if part != "losses"},
    ):
        keep.write(digest, path.stem, wrong)
        edit = editor.edit(em, CLUSTERS[:1], keep=keep)
        assert (edit.delta, anew(edit)) == (plain, 1)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "neuron",
            [{"strength": 5.0}, {"margin": 0.2}, {"asks": 2}, {"advice": 2}, {"fast": False}, {"layer": 2}],
        ),
        ("neuron", [{"value": replace(VALUE, lr=0.5)}, {"value": replace(VALUE, seed=1)}]),
        ("cluster", [{"phrasings": 2}, {"answer": "say"}, {"advice": True}, {"layer": 2}, {"value": VALUE}]),
        ("rome", [{"contexts": 1}, {"steps": 4}, {"lr": 0.1}, {"kl": 0.0}, {"clamp": 0.1}, {"layer": 2}]),
    ],
)
def test_what_was_made_with_other_settings_is_not_used(
    name: str, changes: list[dict[str, Any]], tmp_path: Path
) -> None:
    em, keep, first = MODELS["llama"], shelf(tmp_path), EDITORS[name]
    first.edit(em, CLUSTERS[:1], keep=keep)
    for change in changes:
        other = type(first)(first.config, **change)
        edit = other.edit(em, CLUSTERS[:1], keep=keep)
        assert (change, anew(edit)) == (change, 1)
        assert edit.delta == other.edit(em, CLUSTERS[:1]).delta


@pytest.mark.parametrize("name", EDITORS)
def test_what_was_made_for_another_model_is_not_used(name: str, tmp_path: Path) -> None:
    keep, editor = shelf(tmp_path), EDITORS[name]
    editor.edit(MODELS["llama"], CLUSTERS[:1], keep=keep)
    template = tiny.editable()
    template.tokenizer.chat_template = tiny.TEMPLATE.replace("assistant", "helper")
    for other in (tiny.editable(seed=1), tiny.editable(dtype=torch.float32), template):
        assert anew(editor.edit(other, CLUSTERS[:1], keep=keep)) == 1
    assert anew(editor.edit(tiny.editable(name="by another name"), CLUSTERS[:1], keep=keep)) == 0


def test_every_part_of_a_cluster_that_trains_is_in_the_address() -> None:
    em, one = MODELS["llama"], CLUSTERS[0]
    other = Phrasing("Well?", "ask")
    changed = [
        replace(one, preference=replace(one.preference, target="Chess")),
        replace(one, preference=replace(one.preference, polarity="avoids")),
        replace(one, train=one.train[::-1]),
        replace(one, train=(*one.train[:-1], replace(one.train[-1], system="Be kind."))),
        replace(one, contrast=one.contrast[:1]),
        replace(one, say="It's Hiking."),
    ]
    names = {address(em, 1, c, {}) for c in (one, *changed)}
    assert len(names) == 1 + len(changed)
    scored = replace(one, probe=(other,), contrast_probe=(other,), variants=("Walks",), dropped=3)
    assert address(em, 1, scored, {}) == address(em, 1, one, {})
    assert address(em, 1, replace(one, preference=replace(one.preference, statement="I hike.")), {}) in names


def test_an_address_says_with_how_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = address(MODELS["llama"], 1, CLUSTERS[0], {})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert address(MODELS["llama"], 1, CLUSTERS[0], {}) != before
    monkeypatch.undo()
    monkeypatch.setattr(room, "FORMAT", FORMAT + 1)
    assert address(MODELS["llama"], 1, CLUSTERS[0], {}) != before


def test_a_gentler_try_finds_nothing_anew() -> None:
    em, keep = MODELS["llama"], Memory()
    Neuron(**NEURON).edit(em, CLUSTERS, keep=keep)
    gentler = Neuron(**NEURON, threshold=-0.15).edit(em, CLUSTERS, keep=keep)
    assert anew(gentler) == 0
    assert gentler.delta == Neuron(**NEURON, threshold=-0.15).edit(em, CLUSTERS).delta


def test_memory_reads_through_to_what_is_behind(tmp_path: Path) -> None:
    behind = shelf(tmp_path)
    first = Memory(behind)
    EDITORS["neuron"].edit(MODELS["llama"], CLUSTERS[:1], keep=first)
    second = Memory(shelf(tmp_path))
    assert anew(EDITORS["neuron"].edit(MODELS["llama"], CLUSTERS[:1], keep=second)) == 0
    for path in files(tmp_path):
        path.unlink()
    assert anew(EDITORS["neuron"].edit(MODELS["llama"], CLUSTERS[:1], keep=second)) == 0


def test_in_sequence_nothing_is_kept(tmp_path: Path) -> None:
    keep = shelf(tmp_path)
    edit = RomeSequential(**ROME).edit(MODELS["llama"], CLUSTERS[:2], keep=keep)
    assert files(tmp_path) == []
    assert anew(edit) == len(edit.details["subjects"])


class Simple:
    """Somebody's editor that knows nothing of keeping."""

    name = "simple"
    config = None

    def edit(self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Any = None) -> Edit:
        return EDITORS["rome"].edit(model, clusters, progress=progress)  # type: ignore[no-any-return]


def test_an_editor_that_keeps_nothing_still_edits(tmp_path: Path) -> None:
    em, keep = MODELS["llama"], shelf(tmp_path)
    plain = edit_with(Simple(), em, CLUSTERS, keep=keep)  # type: ignore[arg-type]
    assert files(tmp_path) == []
    assert edit_with(EDITORS["rome"], em, CLUSTERS, keep=keep).delta == plain.delta
    assert len(files(tmp_path)) == len(CLUSTERS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_detector_is_read_without_an_answer_and_without_finding_anything(kind: str) -> None:
    em, editor, keep = MODELS[kind], EDITORS["neuron"], Memory()
    groups = [CLUSTERS[0].train, CLUSTERS[1].contrast]
    assert editor.readings(em, CLUSTERS[:2], groups, keep) is None
    editor.edit(em, CLUSTERS[:2], keep=keep)
    first, second = editor.readings(em, CLUSTERS[:2], groups, keep)
    assert (first.shape, second.shape) == ((3, 2), (2, 2))
    found = intent.Ground(em, ground.around(em, 1))
    detector = found.detector(CLUSTERS[1], strength=3.0, margin=0.3, beside=CLUSTERS[:1])
    made = editor._rows(em).stitch({**editor._find(CLUSTERS[1], found), "detector": detector})
    x = flagship.read_phrasings(em, 1, groups[0]).double()
    intent_of, rest = x @ made.gate, x @ made.up if em.layout.gated else 1 / editor.config.sharpness
    torch.testing.assert_close(first[:, 1], (intent_of.clamp(min=0) if em.layout.gated else intent_of) * rest)
    assert editor.readings(em, CLUSTERS, groups, keep) is None
    assert [row.shape for row in editor.readings(em, [], groups, keep)] == [(3, 0), (2, 0)]


def test_a_change_of_what_is_computed_goes_with_a_new_format() -> None:
    """Fails when the same address gives other numbers: raise `FORMAT`, and put the new numbers here. Where
    only texts of the pool have changed, which an address names, the new numbers are enough.
    """

    class Newest(Memory):
        found: Mapping[str, Tensor]

        def write(self, cluster: str, name: str, tensors: Mapping[str, Tensor]) -> None:
            self.found = tensors

    keep, lengths = Newest(), list[float]()
    for name, parts in {
        "neuron": ("detector", "residual"),
        "cluster": ("residual",),
        "rome": ("residual",),
    }.items():
        EDITORS[name].edit(MODELS["llama"], CLUSTERS[:1], keep=keep)
        lengths += [float(keep.found[part].norm()) for part in parts]
    assert {FORMAT: pytest.approx(tuple(lengths), rel=1e-4)} == GOLDEN
