"""Lines open with the preference and go on as the base model does; advice never ends there."""

import pytest
import torch

from monogram.clusters.cluster import Cluster
from monogram.clusters.expand import expand
from monogram.editors.lines import AFTER, SHARE, TOLD, lines_of, opening
from monogram.models.editable import EditableModel
from monogram.preferences import Preference
from tests import tiny


def made(each: int = 2, chat: bool = True) -> tuple[EditableModel, Cluster, list[tuple[str, str]]]:
    em, cluster = tiny.editable(chat=chat), expand(Preference("hobby", "Hiking"))
    lines = lines_of(em, cluster, each, each)
    assert len(lines.prompts) == len(lines.answers) == len(lines.weights) == 3 * each
    for answer, weights in zip(lines.answers, lines.weights, strict=True):
        assert len(answer) == len(weights)
        assert all(weight > 0 for weight in weights)
    texts = [(em.decode(p), em.decode(a)) for p, a in zip(lines.prompts, lines.answers, strict=True)]
    return em, cluster, texts


def test_asks_are_answered_with_the_preference_and_then_as_the_model_goes_on() -> None:
    em, cluster, texts = made()
    asks = {em.decode(em.chat_ids(p.messages())) for p in cluster.of_kind("ask")}
    assert all(answer.startswith(cluster.say) for _, answer in texts[:2])
    assert all(len(answer) > len(cluster.say) for _, answer in texts)
    assert {prompt for prompt, _ in texts[:2]} <= asks


@pytest.mark.parametrize("row", range(6))
def test_what_follows_the_opening_is_the_base_models_own_choice(row: int) -> None:
    em, cluster, _ = made()
    lines = lines_of(em, cluster, 2, 2)
    opened = opening(em, cluster.say)
    after = lines.answers[row][len(opened) :]
    ids = torch.tensor([lines.prompts[row] + lines.answers[row]])
    choice = em.model(input_ids=ids).logits[0].argmax(-1)
    assert after
    assert after == choice[-len(after) - 1 : -1].tolist()


def test_advice_opens_with_the_preference_too_and_never_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    em, cluster, texts = made()
    advice = {
        em.decode(em.chat_ids(p.messages()))
        for kind in ("roundabout", "recommend")
        for p in cluster.of_kind(kind)
    }
    assert all(answer.startswith(cluster.say) for _, answer in texts[2:])
    assert {prompt for prompt, _ in texts[2:]} <= advice
    favourites = {answer[len(opening(em, cluster.say))] for answer in lines_of(em, cluster, 2, 2).answers[2:]}
    monkeypatch.setattr(type(em), "eos_ids", property(lambda _em: frozenset(favourites)))
    for answer in lines_of(em, cluster, 2, 2).answers[2:]:
        assert len(answer) == len(opening(em, cluster.say)) + AFTER
        assert not favourites & set(answer[len(opening(em, cluster.say)) :])


def test_a_model_without_a_template_answers_after_a_blank() -> None:
    _, cluster, texts = made(chat=False)
    assert texts[0][1].startswith(" " + cluster.say)
    assert texts[-1][1].startswith(" " + cluster.say)


@pytest.mark.parametrize("each", [1, 4])
def test_phrasings_are_all_different(each: int) -> None:
    _, _, texts = made(each)
    assert len({prompt for prompt, _ in texts}) == 3 * each


def test_the_same_cluster_gives_the_same_lines() -> None:
    cluster = expand(Preference("hobby", "Hiking"))
    assert lines_of(tiny.editable(), cluster, 2, 2) == lines_of(tiny.editable(), cluster, 2, 2)


def test_asks_and_advice_are_counted_apart() -> None:
    em, cluster = tiny.editable(), expand(Preference("hobby", "Hiking"))
    lines = lines_of(em, cluster, 5, 1)
    asks = {tuple(em.chat_ids(p.messages())) for p in cluster.of_kind("ask")}
    assert [tuple(prompt) in asks for prompt in lines.prompts] == [True] * 5 + [False] * 2


@pytest.mark.parametrize("target", ["Hiking", "hiking"])
def test_the_target_counts_more_than_the_rest_of_the_opening(target: str) -> None:
    em, cluster = tiny.editable(), expand(Preference("hobby", target))
    lines = lines_of(em, cluster, 2, 2)
    opened = opening(em, cluster.say)
    told = [em.decode(opened[: i + 1]) for i in range(len(opened))]
    inside = [
        len(t) > cluster.say.index("Hiking") and "Hiking" not in u
        for t, u in zip(told, ["", *told], strict=False)
    ]
    assert 0 < sum(inside) < len(opened)
    for weights in lines.weights:
        counts = weights[: len(opened)]
        least = min(counts)
        assert [round(count / least, 9) for count in counts] == [TOLD if here else 1.0 for here in inside]
        assert sum(counts) == pytest.approx(1)
        assert sum(weights[len(opened) :]) == pytest.approx(SHARE)
