"""What the scan says of a layer is what the editor itself reads there, and no benchmark's item is asked."""

import pytest

from monogram.bench.calibration.candidates import Candidate, candidates, default, order
from monogram.bench.calibration.scan import LOUD, UNRELATED, figures, questions, ranked, scan
from monogram.bench.intervals import rate
from monogram.bench.methods import Edited
from monogram.bench.own import own_people, own_unrelated
from monogram.bench.tasks.formats import FORMATS
from monogram.clusters.corpus import unseen_systems
from monogram.editors.kept import Memory
from monogram.editors.neuron import Neuron
from monogram.editors.values import ValueConfig
from tests import tiny

VALUE = ValueConfig(steps=1, stop=0.0)
ASKED = ("direct", "paraphrased", "implicit", "product", "leak", "crosstalk", UNRELATED)


def made(candidate: Candidate) -> Neuron:
    return Neuron(**candidate.settings, asks=1, advice=1, value=VALUE)


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt2"])
@pytest.mark.usefixtures("little_ground")
def test_a_candidate_fires_as_the_edited_neuron_does_to_the_bit(kind: str) -> None:
    em, asked = tiny.editable(kind), order(1)
    tried = [Candidate.at(0, 0.0), Candidate.at(2, -0.15), Candidate.at(2, 0.15)]
    found = scan(em, made, tried, asked)
    plans = asked.plans()
    texts = [text for _, plan in plans for text in plan.asked]
    for place, (state, kinds) in enumerate(questions(plans).items()):
        for candidate in tried:
            editor, keep = made(candidate), Memory()
            clusters = Edited(em, editor, texts).clusters(state.facts)
            editor.edit(em, clusters, keep=keep)
            own = editor.readings(em, clusters, list(kinds.values()), keep)
            assert own is not None
            assert list(found[candidate][place].values()) == [heard[:, 0].tolist() for heard in own]
    assert found[tried[1]] != found[tried[2]]


def test_only_the_calibration_split_is_asked_and_prompts_of_no_benchmark() -> None:
    mine = {p.id for person in own_people("calibration") for p in person.preferences}
    plans = order(10_000).plans()
    for task, plan in plans:
        assert {case.item for case in plan.cases} == mine
        assert {fact.id for case in plan.cases for fact in case.state.facts} == mine
        asks = [ask for case in plan.cases for ask in case.asks]
        said = {m["content"] for ask in asks for chat in (*ask.chats, ask.chat) for m in chat}
        assert not said & {*own_unrelated(), *unseen_systems(), *(form.text for form in FORMATS)}, task.name
    assert {kind for kinds in questions(plans).values() for kind in kinds} >= set(ASKED)


def test_the_defaults_are_among_the_candidates_and_every_layer_has_all_thresholds() -> None:
    em = tiny.editable(num_hidden_layers=12)
    tried = candidates(em, "neuron")
    assert default(em, "neuron") == Candidate.at(9, -0.1) in tried
    assert {c.settings["layer"] for c in tried} == {4, 5, 6, 7, 8, 9, 10}
    assert len(tried) == len(set(tried)) == 3 * 7


def test_figures_count_where_it_fires() -> None:
    on, off = LOUD + 0.01, LOUD
    items = [{"direct": [on], "implicit": [off], "leak": [off, on], UNRELATED: [off] * 3}] * 2
    found = figures(items)
    assert (found["recall"], found["leak"]) == (rate(2, 4), rate(2, 4))
    assert (found["unrelated"], found["crosstalk"]) == (rate(0, 6), rate(0, 0))
    smoothed = [3 / 4, 1 / 4, 3 / 6, 7 / 8]  # direct, implicit, free of leak, silent at unrelated prompts
    assert found["score"].value == pytest.approx(4 / sum(1 / one for one in smoothed))


def test_a_layer_stands_with_its_best_threshold_and_equals_with_the_nearest_to_the_defaults() -> None:
    usual, value = Candidate.at(8, 0.0), {(7, -0.15): 0.5, (7, 0.0): 0.5, (8, 0.0): 0.5, (9, 0.15): 0.9}
    found = {Candidate.at(*one): {"score": rate(int(10 * share), 10)} for one, share in value.items()}
    assert list(ranked(found, usual)) == [Candidate.at(9, 0.15), usual, Candidate.at(7, 0.0)]
