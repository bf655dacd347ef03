"""Probing counts what was answered and calls harm by its name; what is known to hold is not asked again."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from monogram import probing as room
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand, expand_all
from monogram.delta import Delta, LowRank
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from monogram.probing import content, probe
from monogram.receipt import Limits, Receipt, Tally
from tests import tiny

HOBBY, PET = expand(Preference("hobby", "Hiking")), expand(Preference("pet", "Tortoise"))
LOOSE = Limits(leak=1.0, crosstalk=1.0, top1=0.0, drift_kl=math.inf)


class Says:
    """A double for `generate`: answers from a table, otherwise "I don't know."; counts what it was asked."""

    def __init__(self, answers: dict[str, str], base: dict[str, str] | None = None) -> None:
        self.answers, self.base = answers, base or {}
        self.asked: list[tuple[bool, str]] = []

    def __call__(
        self, _em: EditableModel, prompts: Sequence[str], *, deltas: Any = None, on_done: Any = None, **_: Any
    ) -> list[str]:
        self.asked += [(deltas is not None, prompt) for prompt in prompts]
        for i in range(len(prompts)):
            if on_done is not None:
                on_done(i, "")
        said = self.base if deltas is None else self.answers
        return [said.get(prompt, "I don't know.") for prompt in prompts]


def delta(em: EditableModel, scale: float = 1e-6) -> Delta:
    rng = torch.Generator().manual_seed(3)
    left = torch.randn(em.width, 1, generator=rng, dtype=torch.float64)
    right = torch.randn(1, em.inner, generator=rng, dtype=torch.float64)
    return Delta({em.names(1)["down"]: LowRank(left * scale, right)})


def measured(
    monkeypatch: pytest.MonkeyPatch,
    says: Says,
    clusters: Sequence[Cluster] = (HOBBY,),
    limits: Limits = LOOSE,
    **more: Any,
) -> tuple[Receipt, tuple[str, ...]]:
    monkeypatch.setattr(room, "generate", says)
    monkeypatch.setattr(room, "drift", lambda *_: (0.01, 1.0))
    em = tiny.editable()
    return probe(em, clusters, delta(em), {"seconds": 1.5, "loss": [0.5, 1.0]}, limits=limits, **more)


def asks(cluster: Cluster, kind: str) -> list[str]:
    return [p.text for p in cluster.probe if p.kind == kind]


def test_recall_is_the_share_of_held_out_asks_that_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = asks(HOBBY, "ask")
    advice = asks(HOBBY, "roundabout")
    says = Says({first: "Your hobby is hiking.", second: "Chess!", advice[0]: "With Hiking in mind, go."})
    found, harm = measured(monkeypatch, says)
    assert found.recall == 0.5
    assert found.advice == 0.25
    (part,) = found.per_preference
    assert part.recall == {"ask": 0.5, "roundabout": 0.5, "recommend": 0.0}
    assert (part.attribute, part.target, part.answer) == ("hobby", "Hiking", "Your hobby is hiking.")
    assert (found.leak, found.crosstalk, part.leak) == (0.0, 0.0, 0.0)
    assert harm == found.problems == ()


def test_it_asks_what_never_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    says = Says({})
    measured(monkeypatch, says, (HOBBY, PET))
    trained = {p.text for c in (HOBBY, PET) for p in (*c.train, *c.contrast)}
    asked = [text for _, text in says.asked]
    assert not set(asked) & trained
    assert {p.text for c in (HOBBY, PET) for p in (*c.probe, *c.contrast_probe)} <= set(asked)
    assert not {"What's my hobby?", "What's my pet?"} & set(asked)
    assert "What's my profession?" in asked


def test_what_is_said_of_others_is_leak_unless_the_base_model_says_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [p.text for p in HOBBY.contrast_probe]
    edited = {others[0]: "She likes hiking.", others[1]: "Hiking."}
    found, _ = measured(monkeypatch, Says(edited))
    assert found.leak == pytest.approx(2 / len(others))
    assert found.per_preference[0].leak == found.leak
    says = Says(edited, base={others[1]: "Maybe hiking."})
    found, _ = measured(monkeypatch, says)
    assert found.leak == pytest.approx(1 / len(others))
    assert [text for with_delta, text in says.asked if not with_delta] == others[:2]


def test_another_attribute_answered_with_a_target_is_crosstalk(monkeypatch: pytest.MonkeyPatch) -> None:
    found, harm = measured(
        monkeypatch,
        Says({"What's my profession?": "You are a tortoise."}),
        (HOBBY, PET),
        replace(LOOSE, crosstalk=0.2),
    )
    assert found.crosstalk == 0.25
    assert harm == ("crosstalk with other attributes 0.25, at most 0.20 is allowed",)
    assert found.leak == 0.0


def test_harm_is_told_with_figures_and_a_lost_preference_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    leaks = {p.text: "Hiking" for p in HOBBY.contrast_probe}
    found, harm = measured(monkeypatch, Says(leaks), limits=Limits(drift_kl=0.005))
    assert harm == (
        "leak to questions about others 1.00, at most 0.34 is allowed",
        "drift on unrelated prompts 0.010 nats, at most 0.01 is allowed",
    )
    assert found.problems == (*harm, "'Hiking' is not said when asked for hobby")
    monkeypatch.setattr(room, "harm_of", lambda *_: ())
    _, harm = measured(monkeypatch, Says({}))
    assert harm == ()


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        ((0.0, 0.5), "only 0.50 of unrelated prompts begin as before, 0.90 is asked"),
        ((0.5, 1.0), "drift on unrelated prompts 0.500 nats, at most 0.30 is allowed"),
        ((math.nan, 1.0), "drift on unrelated prompts nan nats, at most 0.30 is allowed"),
    ],
)
def test_drift_is_harm(drift: tuple[float, float], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "generate", Says({}))
    monkeypatch.setattr(room, "drift", lambda *_: drift)
    em = tiny.editable()
    _, harm = probe(em, [HOBBY], delta(em), {}, limits=Limits())
    assert harm == (told,)


def test_a_target_that_cannot_be_scored_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found, harm = measured(monkeypatch, Says({}), (expand(Preference("hobby", "hobbies")),))
    assert found.recall is None
    assert found.per_preference[0].recall["ask"] is None
    assert harm == found.problems == ()


def test_it_tells_what_the_edit_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = measured(monkeypatch, Says({}))
    em = tiny.editable()
    assert (found.seconds, found.loss, found.rank) == (1.5, 0.75, 1)
    assert found.nbytes == delta(em).nbytes == 8 * (em.width + em.inner)


def test_editors_without_a_loss_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "generate", Says({}))
    monkeypatch.setattr(room, "drift", lambda *_: (0.0, 1.0))
    em = tiny.editable()
    assert probe(em, [HOBBY], delta(em), {}, limits=LOOSE)[0].loss is None


def test_progress_counts_every_question(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int, int]] = []
    says = Says({})
    measured(monkeypatch, says, progress=lambda *step: told.append(step))
    assert len(told) == len(says.asked)
    assert {(what, total) for what, _, total in told} == {("checking the edit", len(says.asked))}


def test_advice_that_recommends_what_is_avoided_is_a_violation_and_no_merit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nuts = expand(Preference("allergy", "Peanuts", polarity="avoids"))
    first, second, *_ = asks(nuts, "recommend")
    says = Says({first: "Keeping it peanut-free, try almonds.", second: "Try peanut butter!"})
    found, harm = measured(monkeypatch, says, (HOBBY, nuts))
    assert found.violation == 0.25  # one of two roundabout and two recommendation probes
    assert found.per_preference[1].recall["recommend"] == 0.5
    assert "'Peanuts' is avoided, and an answer recommends it" in found.problems
    assert harm == ()
    assert measured(monkeypatch, Says({}), (nuts,))[0].violation == 0.0
    (both,) = expand_all(Preference("allergy", t, polarity="avoids") for t in ("Peanuts", "Shellfish"))
    found, _ = measured(monkeypatch, Says({second: "Try peanut butter!"}), (both,))
    assert found.violation == 0.25
    assert "'Peanuts' is avoided, and an answer recommends it" in found.problems
    assert measured(monkeypatch, Says({first: "Hiking!"}), (HOBBY,))[0].violation is None


def test_the_weights_are_left_alone() -> None:
    em = tiny.editable(dtype=torch.float32)
    before = em.weights_digest()
    found, _ = probe(em, [HOBBY], delta(em).to(torch.float32), {}, limits=LOOSE)
    assert em.weights_digest() == before
    assert found.top1 == 1.0
    assert abs(found.drift_kl) < 1e-6


def test_what_is_carried_over_is_not_asked_and_counts_as_if_it_were(monkeypatch: pytest.MonkeyPatch) -> None:
    nuts = expand(Preference("allergy", "Peanuts", polarity="avoids"))
    answers = dict.fromkeys((*asks(HOBBY, "ask")[:1], *asks(HOBBY, "recommend")), "Hiking")
    answers |= {p.text: "She likes hiking." for p in HOBBY.contrast_probe[:1]}
    answers |= {asks(nuts, "recommend")[0]: "Try peanut butter!"}
    whole, _ = measured(monkeypatch, Says(answers), (HOBBY, PET, nuts))
    known = {part.content: part for part in whole.per_preference}
    assert set(known) == {content(c) for c in (HOBBY, PET, nuts)}
    tallies = known[content(HOBBY)].tallies
    some = {kind: replace(tallies[kind], version=4) for kind in ("ask", "recommend")}
    told = {digest: replace(part, tallies={}) for digest, part in known.items()}
    told[content(HOBBY)] = replace(known[content(HOBBY)], tallies=some)

    says = Says(answers)
    found, harm = measured(monkeypatch, says, (HOBBY, PET, nuts), carried=told)
    asked = {text for with_delta, text in says.asked if with_delta}
    assert not asked & {p.text for p in HOBBY.probe if p.kind in some}
    every = {p.text for c in (HOBBY, PET, nuts) for p in (*c.probe, *c.contrast_probe)}
    assert every - asked == {p.text for p in HOBBY.probe if p.kind in some}
    part = found.per_preference[0]
    assert (part.tallies["ask"].version, part.tallies["roundabout"].version) == (4, None)
    assert part.tallies["ask"] == Tally(1, 2, 2, version=4)
    assert part.answer == "Hiking"
    assert found == replace(whole, per_preference=(part, *whole.per_preference[1:]))
    assert "'Peanuts' is avoided, and an answer recommends it" in found.problems
    assert harm == ()


def test_a_cluster_that_changed_in_one_letter_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = measured(monkeypatch, Says({}))
    says = Says({})
    changed = replace(HOBBY, say="Your hobby is hiking!")
    assert content(changed) != content(HOBBY)
    measured(monkeypatch, says, (changed,), carried={p.content: p for p in whole.per_preference})
    assert {p.text for p in HOBBY.probe} <= {text for _, text in says.asked}


def test_questions_about_others_are_asked_where_a_detector_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, *_ = (p.text for p in HOBBY.contrast_probe)
    quiet = {content(c): [0.0] * 5 for c in (HOBBY, PET)}
    loud = quiet | {content(HOBBY): [0.5, 0.11, 0.1, -3.0, 0.0]}
    says = Says({p.text: "Hiking" for p in HOBBY.contrast_probe})
    found, _ = measured(monkeypatch, says, (HOBBY, PET), fired=loud)
    leaks = {p.text for c in (HOBBY, PET) for p in c.contrast_probe}
    assert {text for with_delta, text in says.asked if with_delta} & leaks == {first, second}
    assert found.per_preference[0].tallies["leak"] == Tally(2, 5, 2)
    assert found.per_preference[1].tallies["leak"] == Tally(0, 5, 0)
    assert found.leak == 0.2

    monkeypatch.setattr(room, "LEAKS", 1)  # the loudest first; the other counts as this one does
    for answer, leak in (("Hiking", 0.2), ("Swimming", 0.0)):
        says = Says({first: answer})
        found, _ = measured(monkeypatch, says, (HOBBY, PET), fired=loud)
        assert {text for _, text in says.asked} & leaks == {first}
        assert found.per_preference[0].tallies["leak"] == Tally(int(leak > 0), 4, 1)
        assert found.leak == leak


def test_what_decides_is_asked_in_a_call_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[set[str]] = []
    says = Says({})

    def noted(em: EditableModel, prompts: Sequence[str], **more: Any) -> list[str]:
        calls.append(set(prompts))
        return says(em, prompts, **more)

    monkeypatch.setattr(room, "generate", noted)
    monkeypatch.setattr(room, "drift", lambda *_: (0.0, 1.0))
    em = tiny.editable()
    whole, _ = probe(em, (HOBBY, PET), delta(em), {}, limits=LOOSE)
    known = {part.content: part for part in whole.per_preference}
    probe(em, (HOBBY, PET), delta(em), {}, limits=LOOSE, carried=known)
    assert calls[0] == calls[2]  # the same, whatever of the rest is asked
    assert calls[1] == {p.text for c in (HOBBY, PET) for p in c.probe}
    assert calls[3] == set()
