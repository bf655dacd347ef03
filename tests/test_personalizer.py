"""Preferences in, monogram out: checked before it is kept, tried gentler, then refused with its figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from monogram import personalizer as room
from monogram import probing
from monogram.carry import Last
from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand
from monogram.delta import Delta, LowRank
from monogram.editors import cluster as joint
from monogram.editors import company, neuron
from monogram.editors.base import Edit
from monogram.editors.values import ValueConfig
from monogram.errors import EditRefusedError, InputError, UnknownNameError
from monogram.models.editable import EditableModel
from monogram.personalizer import GENTLER, Monogram, compile_monogram
from monogram.preferences import Preference
from monogram.receipt import Limits, Receipt
from monogram.store.artefacts import Artefacts, Shelf
from monogram.store.ledger import Version, set_digest
from tests import tiny

HIKING, BAKER = Preference("hobby", "Hiking"), Preference("profession", "Baker")


@dataclass(frozen=True)
class Settings:
    threshold: float = 0.5


@dataclass(frozen=True)
class Blunt:
    size: float = 1.0


class Fake:
    """An editor whose delta says what it was made from."""

    name: ClassVar[str] = "fake"
    seen: ClassVar[list[tuple[Any, list[Cluster]]]] = []

    def __init__(self, config: Any = None, **settings: Any) -> None:
        self.config = config or Settings(**settings)

    def edit(self, model: EditableModel, clusters: Sequence[Cluster], *, progress: Any = None) -> Edit:
        Fake.seen.append((self.config, list(clusters)))
        left = torch.full((model.width, 1), getattr(self.config, "threshold", 1.0))
        return Edit(
            Delta({model.names(1)["down"]: LowRank(left, torch.ones(1, model.inner))}), {"seconds": 2.0}
        )


def receipt(**changes: Any) -> Receipt:
    plain: dict[str, Any] = {
        "recall": 1.0,
        "advice": 0.5,
        "leak": 0.0,
        "crosstalk": 0.0,
        "drift_kl": 0.01,
        "top1": 1.0,
        "seconds": 2.0,
        "nbytes": 10,
        "rank": 1,
        "loss": None,
        "per_preference": (),
    }
    return Receipt(**(plain | changes))


class Prober:
    """A double for `probe`: finds harm in the first `bad` edits."""

    def __init__(self, bad: int = 0) -> None:
        self.bad, self.calls = bad, 0
        self.limits: list[Limits] = []

    def __call__(self, *_: Any, limits: Limits, **__: Any) -> tuple[Receipt, tuple[str, ...]]:
        self.calls += 1
        self.limits.append(limits)
        if self.calls > self.bad:
            return receipt(), ()
        harm = (f"leak to questions about others 0.{self.calls}0, at most 0.05 is allowed",)
        return receipt(leak=self.calls / 10, problems=harm), harm


@pytest.fixture(autouse=True)
def doubles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MONOGRAM_HOME", str(tmp_path))
    monkeypatch.setattr(Fake, "seen", [])
    monkeypatch.setattr(room, "editor_for", lambda _model, name, **settings: Fake(**settings))


def checked(monkeypatch: pytest.MonkeyPatch, bad: int = 0) -> Prober:
    made = Prober(bad)
    monkeypatch.setattr(room, "probe", made)
    monkeypatch.setattr(room, "drift", lambda *_: (0.0, 1.0))
    return made


def test_a_monogram_says_what_it_stands_for_and_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(monkeypatch)
    em = tiny.editable()
    made = compile_monogram(em, [HIKING, BAKER], editor="fake")
    assert made.base_digest == em.digest == em.weights_digest()
    assert set(made.preferences) == {HIKING, BAKER}
    assert made.editor == "fake"
    assert made.settings == "Settings(threshold=0.5)"
    assert made.receipt == receipt()
    assert made.digest == made.delta.digest
    assert len(made.settings_digest) == 64


def test_the_order_of_preferences_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(monkeypatch)
    one = compile_monogram(tiny.editable(), [HIKING, BAKER], editor="fake")
    other = compile_monogram(tiny.editable(), [BAKER, HIKING], editor="fake")
    assert one == other
    assert [p.digest for p in one.preferences] == sorted(p.digest for p in (HIKING, BAKER))
    assert Fake.seen[0] == Fake.seen[1]


def test_editor_and_settings_have_a_digest_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(monkeypatch)
    em = tiny.editable()
    made = [
        compile_monogram(em, [HIKING], editor=e, **s)
        for e, s in (("a", {}), ("b", {}), ("a", {"threshold": 1.0}))
    ]
    assert len({m.settings_digest for m in made}) == 3
    assert made[0].settings_digest == compile_monogram(em, [BAKER], editor="a").settings_digest


def test_the_receipt_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = checked(monkeypatch, bad=99)
    assert compile_monogram(tiny.editable(), [HIKING], editor="fake", check=False).receipt is None
    assert prober.calls == 0


def test_an_edit_that_harms_is_tried_gentler(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = checked(monkeypatch, bad=2)
    made = compile_monogram(tiny.editable(), [HIKING], editor="fake")
    tried = [config.threshold for config, _ in Fake.seen]
    assert tried == pytest.approx([0.5 + change.get("threshold", 0) for change in GENTLER])
    assert tried == sorted(tried, reverse=True)
    assert prober.calls == 3
    assert made.receipt == receipt()
    assert f"threshold={tried[-1]}" in made.settings  # what is kept says how it was made
    assert float(made.delta.factors["model.layers.1.mlp.down_proj"].left[0, 0]) == pytest.approx(tried[-1])


def test_an_edit_that_drifts_too_far_is_not_even_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = checked(monkeypatch)
    found = iter([(9.0, 1.0), (0.0, 0.1), (9.0, 0.1)])
    monkeypatch.setattr(room, "drift", lambda *_: next(found))
    made = compile_monogram(tiny.editable(), [HIKING], editor="fake")
    assert len(Fake.seen) == 3
    assert prober.calls == 1  # the last try always has a whole receipt
    assert made.receipt == receipt()


def test_every_try_starts_from_the_settings_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(monkeypatch, bad=1)
    one = compile_monogram(tiny.editable(), [HIKING], editor="fake", threshold=2.0)
    checked(monkeypatch, bad=1)
    other = compile_monogram(tiny.editable(), [HIKING], editor="fake", threshold=2.0)
    assert one == other
    assert one.settings == f"Settings(threshold={2.0 + GENTLER[1]['threshold']})"


def test_an_edit_that_still_harms_is_refused_with_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = checked(monkeypatch, bad=99)
    em = tiny.editable()
    before = em.weights_digest()
    with pytest.raises(EditRefusedError) as refused:
        compile_monogram(em, [HIKING, BAKER], editor="fake")
    assert prober.calls == len(GENTLER) == 3
    told = str(refused.value)
    assert "hobby 'Hiking'" in told
    assert "profession 'Baker'" in told
    assert "nothing was changed: leak to questions about others 0.30, at most 0.05 is allowed" in told
    assert "\n" not in told
    figures = refused.value.receipt
    assert isinstance(figures, Receipt)
    assert figures.leak == 0.3
    assert figures.problems
    assert em.weights_digest() == before


def test_long_lists_are_cut_in_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(monkeypatch, bad=99)
    many = [Preference("hobby", f"T{i}") for i in range(9)]
    with pytest.raises(EditRefusedError) as refused:
        compile_monogram(tiny.editable(), many, editor="fake")
    assert str(refused.value).count("hobby '") == 3


def test_an_editor_without_such_a_setting_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = checked(monkeypatch, bad=99)
    monkeypatch.setattr(room, "editor_for", lambda *_, **__: Fake(Blunt()))
    with pytest.raises(EditRefusedError):
        compile_monogram(tiny.editable(), [HIKING], editor="fake")
    assert prober.calls == 1


def test_limits_are_ones_own_or_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = checked(monkeypatch)
    compile_monogram(tiny.editable(), [HIKING], editor="fake")
    compile_monogram(tiny.editable(), [HIKING], editor="fake", limits=Limits(leak=0.0))
    assert prober.limits == [Limits(), Limits(leak=0.0)]


def test_what_is_going_to_be_asked_does_not_train(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(monkeypatch)
    compile_monogram(tiny.editable(), [HIKING], editor="fake", avoid=iter(["What's my hobby?"]))
    (cluster,) = Fake.seen[0][1]
    assert cluster.dropped >= 1
    assert not any(p.text == "What's my hobby?" for p in cluster.train)


def test_no_preferences_or_one_twice_are_refused_before_any_work() -> None:
    for preferences in ([], [HIKING, BAKER, HIKING], [HIKING, Preference("Hobby", "Hiking")]):
        with pytest.raises(InputError, match="at least one, and none twice"):
            compile_monogram(tiny.editable(), preferences, editor="fake")
    assert Fake.seen == []


def test_an_unknown_editor_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UnknownNameError):
        compile_monogram(tiny.editable(), [HIKING], editor="neurom")


def test_several_values_of_one_attribute_share_a_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "editor_for", lambda _model, _name, **settings: neuron.Neuron(**settings))
    em = tiny.editable(dtype=torch.float32)
    settings: dict[str, Any] = {
        "layer": 1,
        "asks": 1,
        "advice": 1,
        "value": ValueConfig(steps=2),
        "check": False,
    }
    chess = Preference("pastime", "Chess")
    both, turned = (compile_monogram(em, order, **settings) for order in ([HIKING, chess], [chess, HIKING]))
    alone = compile_monogram(em, [HIKING], **settings)
    assert both.delta == turned.delta != alone.delta
    assert both.delta.rank == alone.delta.rank == 1
    assert both.preferences == turned.preferences
    assert {p.target for p in both.preferences} == {"Hiking", "Chess"}


def test_the_flagship_goes_all_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    value = ValueConfig(steps=3)
    monkeypatch.setattr(room, "editor_for", lambda _model, _name, **settings: neuron.Neuron(**settings))
    em = tiny.editable(dtype=torch.float32)
    before = em.weights_digest()
    settings: dict[str, Any] = {"layer": 1, "asks": 1, "advice": 1, "value": value}
    loose = Limits(leak=1.0, crosstalk=1.0, top1=0.0, drift_kl=100.0)
    made = compile_monogram(em, [HIKING, BAKER], limits=loose, **settings)
    assert em.weights_digest() == before
    assert made.delta.rank == 2
    assert made.receipt is not None
    assert made.receipt.rank == 2
    assert made.receipt.nbytes == made.delta.nbytes
    assert made.receipt.loss is not None
    assert [p.target for p in made.receipt.per_preference] == [p.target for p in made.preferences]
    with pytest.raises(EditRefusedError, match="nats"):
        compile_monogram(em, [HIKING], limits=Limits(drift_kl=-1.0), **settings)
    assert em.weights_digest() == before


LOOSE = Limits(leak=1.0, crosstalk=1.0, top1=0.0, drift_kl=100.0)
MANY = [HIKING, BAKER, Preference("pet", "Tortoise"), Preference("diet", "vegan", polarity="avoids")]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("of", ["neuron", "cluster"])
def test_a_change_takes_the_steps_of_what_is_new_and_forgetting_takes_none(
    kind: str, of: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[int] = []
    module, made_by = {"neuron": (company, neuron.Neuron), "cluster": (joint, joint.ClusterEditor)}[of]
    plain = module.value_step

    def counted(*args: Any, **more: Any) -> Any:
        found = plain(*args, **more)
        taken.append(len(found.losses) - 1)
        return found

    monkeypatch.setattr(module, "value_step", counted)
    monkeypatch.setattr(room, "editor_for", lambda _model, _name, **settings: made_by(**settings))
    few = {"asks": 1, "advice": 1, "company": 0} if of == "neuron" else {"phrasings": 1}
    settings: dict[str, Any] = {"layer": 1, "value": ValueConfig(steps=3, stop=0.0), "check": False, **few}
    em, shelf = tiny.editable(kind), Artefacts(tmp_path / "artefacts").of("alice")

    def steps(preferences: Sequence[Preference], keep: Shelf | None) -> tuple[Delta, int]:
        before = len(taken)
        delta = compile_monogram(em, preferences, keep=keep, **settings).delta
        return delta, sum(taken[before:])

    alone, one = steps(MANY[-1:], None)
    steps(MANY[:-1], shelf)
    among, added = steps(MANY, shelf)
    left, forgotten = steps(MANY[1:], shelf)
    again, back = steps(MANY, shelf)
    assert (added, forgotten, back) == (one, 0, 0) == (3, 0, 0)
    assert among == again == steps(MANY, None)[0]
    assert left == steps(MANY[1:], None)[0]
    assert steps(MANY[-1:], shelf) == (alone, 0)


def test_values_joined_anew_are_found_anew_and_all_else_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "editor_for", lambda _model, _name, **settings: neuron.Neuron(**settings))
    shelf, em = Artefacts(tmp_path / "artefacts").of("alice"), tiny.editable()
    settings: dict[str, Any] = {
        "layer": 1,
        "asks": 1,
        "advice": 1,
        "value": ValueConfig(steps=2),
        "check": False,
    }
    chess = Preference("pastime", "Chess")
    compile_monogram(em, [HIKING, BAKER], keep=shelf, **settings)
    assert len(list(shelf.folder.iterdir())) == 2
    both = compile_monogram(em, [HIKING, BAKER, chess], keep=shelf, **settings)
    assert len(list(shelf.folder.iterdir())) == 3
    assert both.delta == compile_monogram(em, [chess, BAKER, HIKING], **settings).delta
    texts = b"".join(path.read_bytes() for path in shelf.folder.rglob("*.safetensors"))
    assert not any(word in texts for word in (b"Hiking", b"Chess", b"Baker", b"hobby", b"pastime"))


def test_a_gentler_try_takes_no_step_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    plain = company.value_step
    monkeypatch.setattr(company, "value_step", lambda *a, **more: taken.append(1) or plain(*a, **more))
    monkeypatch.setattr(room, "editor_for", lambda _model, _name, **settings: neuron.Neuron(**settings))
    checked(monkeypatch, bad=2)
    value = ValueConfig(steps=2)
    some = {"layer": 1, "asks": 1, "advice": 1, "company": 0, "value": value}
    made = compile_monogram(tiny.editable(), [HIKING], **some)
    assert "threshold=-0.4" in made.settings
    assert taken == [1]


def test_only_what_changed_is_asked_and_the_rest_says_when_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    plain = probing.generate

    def noted(em: EditableModel, prompts: Sequence[str], **more: Any) -> list[str]:
        asked.extend(prompts)
        return plain(em, prompts, **(more | {"max_new_tokens": 2}))

    monkeypatch.setattr(probing, "generate", noted)
    monkeypatch.setattr(room, "editor_for", lambda _model, _name, **settings: neuron.Neuron(**settings))
    settings: dict[str, Any] = {
        "layer": 1,
        "asks": 1,
        "advice": 1,
        "value": ValueConfig(steps=2),
        "limits": LOOSE,
    }
    settings |= {"threshold": -50.0}  # a tiny model's detectors are noisy: none shall fire
    em, shelf = tiny.editable(dtype=torch.float32), Artefacts(tmp_path / "artefacts").of("alice")

    def version(made: Monogram, number: int) -> Last:
        digest = set_digest(made.preferences)
        receipt = made.receipt.as_dict() if made.receipt is not None else None
        facts = Version("m", em.digest, made.editor, made.settings, receipt=receipt, number=number)
        return Last(replace(facts, preferences_digest=digest), made.preferences)

    first = compile_monogram(em, [HIKING], keep=shelf, **settings)
    last = version(first, 1)
    asked.clear()
    second = compile_monogram(em, [HIKING, BAKER], keep=shelf, last=last, **settings)
    hiking, baker = expand(HIKING), expand(BAKER)
    assert {p.text for p in baker.probe} <= set(asked)
    assert not {p.text for p in (*hiking.probe, *hiking.contrast_probe)} & set(asked)
    assert any(text.startswith("What's my ") for text in asked)  # crosstalk is of the whole delta
    assert second.receipt is not None
    parts = {
        part.target: {t.version for kind, t in part.tallies.items() if kind != "leak"}
        for part in second.receipt.per_preference
    }
    assert parts == {"Hiking": {1}, "Baker": {None}}

    shelf.clear()  # what went cannot be read any more, so all is measured
    asked.clear()
    third = compile_monogram(em, [BAKER], keep=shelf, last=version(second, 2), **settings)
    assert {p.text for p in baker.probe} <= set(asked)
    assert third.delta == compile_monogram(em, [BAKER], **settings).delta
