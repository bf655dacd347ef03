"""What a change cannot have touched is carried over with its version; all else is measured again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from monogram.carry import Last, carried, fired
from monogram.clusters.cluster import Cluster, Phrasing
from monogram.clusters.expand import expand
from monogram.delta import Delta
from monogram.editors.kept import Keep, Memory
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.probing import QUIET, content, probe
from monogram.receipt import Limits, Receipt
from monogram.store.ledger import Version, set_digest
from tests import tiny

HOBBY, PET, JOB = (
    expand(Preference(a, t)) for a, t in (("hobby", "Hiking"), ("pet", "Tortoise"), ("profession", "Baker"))
)
MODEL = tiny.editable(dtype=torch.float32)


class Reading:
    """An editor that can be read: its detectors fire where `loud` says, by (target, text)."""

    def __init__(self, loud: dict[tuple[str, str], float] | None = None, *, kept: bool = True) -> None:
        self.loud, self.kept = loud or {}, kept
        self.asked: list[list[str]] = []

    def readings(
        self, _: EditableModel, clusters: Sequence[Cluster], groups: Sequence[Sequence[Phrasing]], keep: Keep
    ) -> list[torch.Tensor] | None:
        self.asked.append([c.preference.target for c in clusters])
        if not self.kept:
            return None
        return [
            torch.tensor(
                [[self.loud.get((c.preference.target, p.text), 0.0) for c in clusters] for p in group]
            )
            for group in groups
        ]


@pytest.fixture(scope="module")
def receipt() -> Receipt:
    return probe(MODEL, [HOBBY, PET], Delta.zero(), {}, limits=Limits(top1=0.0))[0]


def told(receipt: Receipt, editor: object, now: Sequence[Cluster], number: int = 7) -> dict[str, Any]:
    return carried(MODEL, editor, now, [HOBBY, PET], receipt, number, Memory())


def kinds(found: dict[str, Any], cluster: Cluster) -> set[str]:
    return set(found[content(cluster)].tallies)


def test_what_no_detector_moved_at_is_carried_over_with_its_version(receipt: Receipt) -> None:
    found = told(receipt, Reading(), [HOBBY, PET, JOB])
    assert set(found) == {content(HOBBY), content(PET)}
    assert kinds(found, PET) == {"ask", "roundabout", "recommend"}  # leaks are always measured
    assert {t.version for part in found.values() for t in part.tallies.values()} == {7}
    again = replace(receipt, per_preference=tuple(found.values()))
    later = told(again, Reading(), [HOBBY, PET, JOB], number=9)
    assert {t.version for part in later.values() for t in part.tallies.values()} == {7}


@pytest.mark.parametrize("now", [[HOBBY, PET, JOB], [PET], [PET, JOB]])
def test_where_one_that_came_or_went_fires_is_asked_again(now: list[Cluster], receipt: Receipt) -> None:
    moved = {c.preference.target for c in ([JOB] if JOB in now else []) + ([] if HOBBY in now else [HOBBY])}
    for target in moved:
        for phrasing in (PET.probe[0], PET.probe[-1]):
            editor = Reading({(target, phrasing.text): QUIET + 0.01})
            found = told(receipt, editor, now)
            assert kinds(found, PET) == {"ask", "roundabout", "recommend"} - {phrasing.kind}
            quiet = told(receipt, Reading({(target, phrasing.text): QUIET - 0.01}), now)
            assert kinds(quiet, PET) == {"ask", "roundabout", "recommend"}


def test_a_joined_cluster_is_measured_and_its_parts_count_as_gone(receipt: Receipt) -> None:
    both = replace(HOBBY, preference=replace(HOBBY.preference, target="Hiking and Chess"))
    editor = Reading()
    found = told(receipt, editor, [both, PET])
    assert set(found) == {content(PET)}
    assert sorted(editor.asked[0]) == ["Hiking and Chess", "Tortoise"]
    assert sorted(editor.asked[1]) == ["Hiking", "Tortoise"]


def test_where_a_detector_that_stayed_has_moved_is_asked_again(receipt: Receipt) -> None:
    class Moving(Reading):
        """The pet's detector is held against who else is there."""

        far = QUIET + 0.01

        def readings(self, *given: Any) -> list[torch.Tensor] | None:
            moved = self.far if "Baker" in {c.preference.target for c in given[1]} else 0.0
            self.loud = {("Tortoise", PET.probe[0].text): 1.0 + moved}
            return super().readings(*given)

    every = {"ask", "roundabout", "recommend"}
    editor = Moving()
    assert kinds(told(receipt, editor, [HOBBY, PET, JOB]), PET) == every - {PET.probe[0].kind}
    assert kinds(told(receipt, editor, [HOBBY, PET, JOB]), HOBBY) == every
    editor.far = QUIET - 0.01
    assert kinds(told(receipt, editor, [HOBBY, PET, JOB]), PET) == every


@pytest.mark.parametrize("editor", [object(), Reading(kept=False)])
def test_an_editor_that_cannot_be_read_is_measured_from_the_beginning(
    editor: object, receipt: Receipt
) -> None:
    assert told(receipt, editor, [HOBBY, PET, JOB]) == {}


def test_the_loudest_detector_is_what_is_heard_of_a_question_about_others() -> None:
    text = PET.contrast_probe[2].text
    editor = Reading({("Hiking", text): 0.4, ("Tortoise", text): 0.2})
    found = fired(MODEL, editor, [HOBBY, PET], Memory())
    assert found is not None
    assert found[content(PET)] == pytest.approx([0, 0, 0.4, 0, 0])
    assert found[content(HOBBY)] == [0.0] * 5
    assert fired(MODEL, object(), [HOBBY, PET], Memory()) is None
    assert fired(MODEL, Reading(kept=False), [HOBBY, PET], Memory()) is None


def test_a_receipt_without_tallies_carries_nothing(receipt: Receipt) -> None:
    old = replace(
        receipt, per_preference=tuple(replace(p, content="", tallies={}) for p in receipt.per_preference)
    )
    assert told(old, Reading(), [HOBBY, PET, JOB]) == {}


def test_a_receipt_of_something_else_is_not_taken(receipt: Receipt) -> None:
    held = (HOBBY.preference, PET.preference)
    version = Version(
        "m", "base", "neuron", "s", receipt=receipt.as_dict(), preferences_digest=set_digest(held)
    )
    assert Last(version, held).receipt("base", "neuron", "s") == receipt
    for made in (("other", "neuron", "s"), ("base", "rome", "s"), ("base", "neuron", "gentler")):
        assert Last(version, held).receipt(*made) is None
    assert Last(version, held[:1]).receipt("base", "neuron", "s") is None
    for broken in (
        None,
        {},
        {"per_preference": [{"attribute": "pet"}], "problems": []},
        {"per_preference": 3},
    ):
        assert Last(replace(version, receipt=broken), held).receipt("base", "neuron", "s") is None
