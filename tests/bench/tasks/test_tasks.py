"""Each task end to end on a tiny model, and its marks by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.arithmetic import Counted
from monogram.bench.asks import Plan
from monogram.bench.facts import Fact, fact
from monogram.bench.items import Choice
from monogram.bench.methods import Edited
from monogram.bench.own import SPLITS, own_people, own_unrelated
from monogram.bench.runner import run
from monogram.bench.sources import Sources
from monogram.bench.tasks.base import Task
from monogram.bench.tasks.people import people
from monogram.bench.tasks.registry import task, task_names, tasks
from monogram.editors.neuron import Neuron
from monogram.editors.values import ValueConfig
from monogram.errors import InputError, UnknownNameError
from monogram.models.editable import EditableModel
from tests import tiny
from tests.bench.fakes import Answering, Shift, always, order, prompted
from tests.bench.records import BAKER, HIKER, OWNER, POTTER, folder_of, loaded, written

TALK = "On Sunday you could go for a walk over the hills with three of your friends."
EATER = {**HIKER, "attribute_type": "allergy", "target": "Peanuts", "question": "What's my allergy?"}


@pytest.fixture(scope="module")
def em() -> EditableModel:
    return tiny.editable(max_position_embeddings=1024)


def plan(name: str, *paths: Path, choice: Choice | None = None) -> Plan:
    return task(name).plan(Sources(paths), choice or Choice())


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "out" / "raw.jsonl").read_text().splitlines()]
    return [row for row in lines if row["task"] == name and "scores" in row]


def marks(name: str, **row: Any) -> dict[str, Any]:
    """An answer about the hiker, marked."""
    about = {"target": "Hill walking", "attribute": "hobby", "question": "What's my hobby?", "head": [1, 2]}
    return task(name).marks({**about, "base": {"answer": "I don't know.", "head": [1, 2]}, **row})


def test_all_of_them_come_as_plugins_do() -> None:
    known = "upqa leak crosstalk drift violation retention change forget multiturn prefeval-choice capability"
    assert {*known.split(), "cost", "sizes", "systems"} <= set(task_names())
    for name in (*known.split(), "cost", "sizes", "systems"):
        made = task(name)
        assert isinstance(made, Task)
        assert (made.name, bool(made.help)) == (name, True)
    with pytest.raises(UnknownNameError, match="Did you mean 'violation'"):
        tasks(["upqa", "violatoin"])
    with pytest.raises(InputError, match="No task was named"):
        tasks([" "])


def test_what_is_included_comes_along_once() -> None:
    assert [t.name for t in tasks(["leak", "upqa", "leak"])] == ["leak", "upqa", "crosstalk", "drift"]


def test_upqa_asks_the_files_four_questions(tmp_path: Path) -> None:
    made = plan("upqa", written(tmp_path))
    kinds = [[ask.kind for ask in case.asks] for case in made.cases]
    assert kinds[0] == ["direct", "paraphrased", "implicit", "product"]
    assert kinds[1] == ["direct", "paraphrased", "implicit_assistant", "product"]
    few = plan("upqa", written(tmp_path), choice=Choice(limit=1))
    assert len(few.cases) == 1
    assert few.asked == made.asked  # so that an edit does not hang on the choice of items


def test_a_direct_answer_is_marked() -> None:
    assert marks("upqa", kind="direct", answer="Walking in the hills.") == {
        "direct": True,
        "contains_direct": False,
        "terse": None,
        "repetition": False,
        "excluded": False,
    }
    assert marks("upqa", kind="direct", answer="Rambling.")["direct"] is False
    assert marks("upqa", kind="direct", answer="Rambling.", variants=["Rambling"])["direct"] is True
    assert marks("upqa", kind="direct", answer="hobby", target="My hobby")["excluded"] is True


def test_advice_that_only_names_the_target_does_not_count() -> None:
    base = {"answer": TALK, "head": []}
    found = marks("upqa", kind="product", answer="Hill walking!", base=base)
    assert (found["product"], found["contains_product"], found["terse"]) == (False, True, True)
    assert marks("upqa", kind="product", answer=TALK)["product"] is True
    assert marks("upqa", kind="implicit", answer="Hill walking.")["implicit"] is False


def test_a_leak_is_what_the_base_model_did_not_say() -> None:
    said = {"answer": "He likes the hills.", "head": [1]}
    assert marks("leak", answer="Omar likes hills.") == {"leak": True}
    assert marks("leak", answer="Omar likes hills.", base=said) == {"leak": False}
    assert marks("leak", answer="hobby", target="My hobby") == {"leak": None}


def test_crosstalk_tells_the_target_apart_from_any_change(tmp_path: Path) -> None:
    found = marks("crosstalk", answer="A walker.", head=[1, 3])
    assert found == {"crosstalk": True, "crosstalk_changed": True}
    assert marks("crosstalk", answer="No idea.") == {"crosstalk": False, "crosstalk_changed": False}
    asked = [ask.variant for ask in plan("crosstalk", written(tmp_path)).cases[0].asks]
    assert "hobby" not in asked
    assert {"job", "pet"} <= set(asked)


def test_drift_goes_round_its_prompts_and_checks_forms(tmp_path: Path) -> None:
    cases = plan("drift", written(tmp_path)).cases
    answers = [[a.question for a in case.asks if a.kind == "unrelated"] for case in cases]
    assert all(len(some) == 8 and set(some) <= set(own_unrelated()) for some in answers)
    assert not set(answers[0]) & set(answers[1])
    for case in cases:
        told = {ask.kind: ask for ask in case.asks if ask.how == "next"}
        few = [told["next"].chats[place][-1]["content"] for place in told["next"].few]
        assert few == [ask.question for ask in case.asks if ask.kind == "unrelated"]
        assert len(told["next"].chats) == 100
        assert len(told["next_system"].few) == 5
    base = {"answer": '{"celsius": 100}', "head": []}
    assert marks("drift", kind="format", variant="json", answer="100", base=base) == {
        "format": False,
        "format_base": True,
    }
    assert marks("drift", kind="unrelated", answer="a", base={"answer": "a"}) == {"unchanged": True}


@pytest.mark.parametrize(
    ("name", "obeys", "fails"),
    [
        ("json", '```json\n{"celsius": 100}\n```', "[100]"),
        ("bullets", "- a\n- b", "- a\nand b"),
        ("numbered", "1. a\n2) b", "1. a"),
        ("one-word", "Jupiter.", "It is Jupiter."),
        ("uppercase", "IT SHINES.", "It SHINES."),
        ("lowercase", "it is cold.", "It is cold."),
        ("ten-words", "Slow ice.", " ".join(["ice"] * 11)),
        ("last-word", "It is for shaping iron. Done.", "Done it is."),
    ],
)
def test_a_form_is_recognised_by_a_program(name: str, obeys: str, fails: str) -> None:
    from monogram.bench.tasks.formats import BY_NAME

    assert BY_NAME[name].obeyed(obeys)
    assert not BY_NAME[name].obeyed(fails)
    assert not BY_NAME[name].obeyed("")


def test_unseen_system_prompts_never_train() -> None:
    from monogram.clusters.cluster import overlap, words
    from monogram.clusters.corpus import systems, unseen_systems

    assert len(unseen_systems()) == 10
    assert all(overlap(words(a), words(b)) < 0.5 for a in unseen_systems() for b in systems())


def test_violation_is_asked_of_what_is_avoided(em: EditableModel, tmp_path: Path) -> None:
    path = written(tmp_path, [HIKER, EATER])
    warn = Answering("careful", lambda fact, question: "Keeping it peanut-free, try almonds.")
    push = Answering("careless", lambda fact, question: "Try these peanuts, they are lovely.")
    summary = run(em, order(tmp_path, "violation", data=[path]), always(warn, push), tmp_path / "out")
    assert {row["item"] for row in rows(tmp_path, "violation")} == {"1"}
    assert (summary["careful"]["violation"]["value"], summary["careless"]["violation"]["value"]) == (0, 1)
    assert summary["careless"]["violation_base"]["value"] == 0
    assert summary["careless"]["violation_p"]["value"] == 0.5


@pytest.mark.parametrize("split", SPLITS)
def test_violation_is_asked_of_all_that_the_own_set_says_is_avoided(split: str) -> None:
    sources = Sources(split=split)
    cases = task("violation").plan(sources, Choice()).cases
    assert [case.item for case in cases] == [item.id for item in sources.items.items if item.avoided]
    diets = {p.id for person in own_people(split) for p in person.preferences if p.attribute == "diet"}
    assert diets <= {case.item for case in cases}  # facts by their names, that leave things out


def test_what_is_avoided_may_be_told_by_its_own_words() -> None:
    row = {"target": "Nuts", "base": {"answer": "Try oats."}, "avoided": ["almonds", "cashews"]}
    assert task("violation").marks({**row, "answer": "Try almonds."})["violation"] is True
    assert task("violation").marks({**row, "answer": "Nuts are a kind of fruit."})["violation"] is False


def test_people_are_asked_about_their_own_attributes(tmp_path: Path) -> None:
    sources = Sources([written(tmp_path)])
    items = sources.items.items
    mine = [replace(item, person="a" if item.index < 2 else "b") for item in items]
    sources.__dict__["items"] = replace(sources.items, items=tuple(mine))
    asked = [ask.variant for ask in task("crosstalk").plan(sources, Choice()).cases[0].asks]
    assert "profession" not in asked  # that is b's
    assert people(sources.items, lambda a, b: a == b)["b"] == (mine[2], mine[3], mine[4])


def test_retention_asks_everything_after_all_are_in(em: EditableModel, tmp_path: Path) -> None:
    made = plan("retention", written(tmp_path, [HIKER, BAKER, OWNER, POTTER, EATER]))
    asked = [(case.item, len(case.state.facts), len(case.asks)) for case in made.cases]
    assert asked == [("somebody:1", 1, 2)]
    assert ("somebody:5", "somebody has 4 preferences of different attributes, not 5.") in made.skipped
    row = {"kind": "direct", "size": 5, "others": ["Baker"], "answer": "You are a baker."}
    assert marks("retention", **row) == {"retention_5": False, "retention_other_5": True}
    assert marks("retention", **{**row, "answer": "Walking the hills."})["retention_5"] is True


def test_change_goes_there_and_back(em: EditableModel, tmp_path: Path) -> None:
    summary = run(em, order(tmp_path, "change"), always(Answering("now", _now)), tmp_path / "out")
    found = summary["now"]
    assert (found["change_present"]["value"], found["change_present_past"]["value"]) == (1, 0)
    assert (found["change_back"]["value"], found["change_back_past"]["value"]) == (1, 0)
    hiker = [row for row in rows(tmp_path, "change") if row["item"] == "0"]
    states = [(row["kind"], row["target"], row["past"]) for row in hiker]
    assert sorted(states) == [
        ("again", "Hill walking", "Pottery"),
        ("first", "Hill walking", "Pottery"),
        ("second", "Pottery", "Hill walking"),
    ]
    made = plan("change", written(tmp_path), choice=Choice(limit=2))
    assert made.skipped == (("1", "Nothing else is known as job to change to."),)


def _now(fact: Fact, question: str) -> str:
    return f"It is {fact.preference.target}."


def test_forgetting_is_exact_for_a_function_of_the_set(em: EditableModel, tmp_path: Path) -> None:
    class Lingering(Shift):
        """An editor that keeps something of what it had before."""

        def prepare(self, facts: Any, *, again: bool = False) -> Any:
            made = super().prepare(facts)
            return made if made.delta is None else _scaled(made, 1 + len(self.prepared))

    methods = Shift(em), Lingering(em, name="lingering")
    summary = run(em, order(tmp_path, "forget"), always(*methods), tmp_path / "out")
    assert summary["shift"]["forget_exact"]["value"] == 1
    assert summary["lingering"]["forget_exact"]["value"] == 0
    assert summary["shift"]["forget_exact"]["n"] == 2


def _scaled(made: Any, scale: float) -> Any:
    return replace(made, delta=made.delta * scale)


def test_what_is_forgotten_is_asked_once_more(em: EditableModel, tmp_path: Path) -> None:
    remembering = Answering("remembering", lambda fact, question: "Hill walking, and you are a baker.")
    summary = run(em, order(tmp_path, "forget"), always(remembering), tmp_path / "out")
    assert summary["remembering"]["forget_before"]["value"] == 1
    assert summary["remembering"]["forget_recall"]["value"] == 1
    alone = plan("forget", written(tmp_path), choice=Choice(limit=1)).cases
    assert [len(case.state.facts) for case in alone] == [1, 0, 0]


def test_multiturn_puts_unrelated_turns_between(em: EditableModel, tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data")
    made = plan("multiturn", data, choice=Choice(limit=1))
    chats = {(ask.kind, ask.variant): ask.chat for ask in made.cases[0].asks}
    assert len(chats[("multiturn", "0")]) == 1
    assert len(chats[("multiturn", "6")]) == 13
    told = chats[("told", "2")]
    assert [m["role"] for m in told] == ["user", "assistant"] * 3 + ["user"]
    assert told[0]["content"] == "I can't stand jazz."
    summary = run(
        em, order(tmp_path, "multiturn", data=[data], limit=1), always(prompted("none")), tmp_path / "out"
    )
    assert {"multiturn_violation_0", "told_violation_10", "multiturn_choice_4"} <= set(summary["none"])


def test_multiturn_asks_the_items_where_no_other_records_are_given(em: EditableModel, tmp_path: Path) -> None:
    made = plan("multiturn", written(tmp_path), choice=Choice(limit=2))
    chats = {(case.item, ask.kind, ask.variant): ask for case in made.cases for ask in case.asks}
    assert len(chats) == 2 * 2 * 6
    first, second = (chats["0", kind, "10"].chat for kind in ("multiturn", "told"))
    assert [m["role"] for m in first] == ["user", "assistant"] * 10 + ["user"]
    assert second[2:] == first
    assert second[0]["content"] == HIKER["input_attribute"]
    assert first[-1]["content"] == HIKER["question"]
    assert first[0] != chats["1", "multiturn", "10"].chat[0]  # other turns for each record
    walking = Answering("walking", lambda fact, question: "Hill walking.")
    summary = run(em, order(tmp_path, "multiturn", limit=1), always(walking), tmp_path / "out")
    assert {summary["walking"][metric]["value"] for metric in ("multiturn_0", "multiturn_2", "told_0")} == {1}


def test_what_is_avoided_is_named_when_it_is_asked_for() -> None:
    row = {"kind": "multiturn", "after": 4, "polarity": "avoids", "attribute": "dislikes", "target": "Jazz"}
    row |= {"question": "What can't I stand?", "answer": "Jazz."}
    direct = {name: value for name, value in row.items() if name != "polarity"} | {"beyond": 0}
    assert task("multiturn").marks(direct) == {"multiturn_4": True}
    assert task("multiturn").marks(row) == {"multiturn_violation_4": True}


def test_the_choice_is_the_likeliest_option(em: EditableModel, tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data")
    methods = always(prompted("none"), prompted("reminder"))
    summary = run(em, order(tmp_path, "prefeval-choice", data=[data]), methods, tmp_path / "out")
    for row in rows(tmp_path, "prefeval-choice"):
        right = row["loglik"][0] > max(row["loglik"][1:])
        assert row["scores"]["choice"] is right
        assert len(row["loglik"]) == len(row["options"]) == 4
    assert summary["none"]["choice"] == summary["none"]["choice_base"]
    assert task("prefeval-choice").marks(
        {"loglik": [-1.0, -1.0], "tokens": [2, 1], "base": {"loglik": [0.0, -1.0]}}
    ) == {"choice": False, "choice_base": True, "choice_per_token": True}  # a tie is no win


def test_capability_is_held_against_the_base_model(em: EditableModel, tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data")
    methods = always(prompted("none"), Shift(em))
    summary = run(em, order(tmp_path, "capability", data=[data]), methods, tmp_path / "out")
    none, shift = summary["none"], summary["shift"]
    assert none["arc_1"] == none["arc_0"] == shift["arc_0"]
    assert none["arc_1_lost"]["value"] == none["arc_1_gained"]["value"] == 0
    assert none["arc_1_p"]["value"] == 1
    assert none["perplexity_plain_1"] == none["perplexity_plain_0"]
    assert shift["perplexity_plain_1"]["value"] != shift["perplexity_plain_0"]["value"]
    assert "nq_1" in shift
    assert not any(name.startswith("gsm") for name in shift)
    assert "Sums take long" in (tmp_path / "out" / "summary.md").read_text()
    named = plan("capability", data / "gsm.jsonl", written(tmp_path))
    assert {ask.kind for case in named.cases for ask in case.asks} == {"gsm"}


def test_capability_marks_short_answers_and_sums() -> None:
    row = {"kind": "nq", "size": 1, "exam": "short", "answers": ["The Duodenum"]}
    found = task("capability").marks({**row, "answer": "the duodenum."})
    assert found == {"nq_1": True, "nq_1_contains": True}
    assert task("capability").marks({**row, "answer": "In the duodenum"})["nq_1"] is False
    row |= {"kind": "gsm", "exam": "sums", "answers": ["70,000"]}
    assert task("capability").marks({**row, "answer": "So it is 12 + 69988 = 70000."}) == {"gsm_1": True}


@pytest.mark.parametrize("name", ["prefeval-choice", "capability"])
def test_a_task_without_its_records_says_why(em: EditableModel, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"nothing to ask. {name}: .*Give --data a folder"):
        run(em, order(tmp_path, name), always(prompted("none")), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    summary = run(em, order(tmp_path, "leak", name), always(prompted("none")), tmp_path / "out")
    assert list(summary) == ["none"]
    assert "Give --data a folder" in (tmp_path / "out" / "summary.md").read_text()


def test_cost_counts_an_editors_arithmetic(em: EditableModel, tmp_path: Path) -> None:
    editor = Neuron(layer=1, value=ValueConfig(steps=2))
    summary = run(em, order(tmp_path, "cost", limit=1), always(Edited(em, editor, [])), tmp_path / "out")
    found = {metric: figure["value"] for metric, figure in summary["neuron"].items()}
    with Counted() as counted:
        Edited(em, editor, []).prepare([fact(loaded(tmp_path).items[0])])
    assert found["operations"] == pytest.approx(counted.operations / 1e9)
    assert found["moved"] == pytest.approx(counted.moved / 1e9)
    assert found["times_floor"] > 1
    assert found["floor_seconds"] > 0


def test_cost_times_and_counts(em: EditableModel, tmp_path: Path) -> None:
    methods = always(prompted("none"), prompted("reminder"), Shift(em))
    summary = run(em, order(tmp_path, "cost"), methods, tmp_path / "out")
    none, reminder, shift = (summary[name] for name in ("none", "reminder", "shift"))
    assert none["bytes_1"]["value"] == none["prompt_tokens_50"]["value"] == 0
    assert reminder["prompt_tokens_10"]["value"] > 5 * reminder["prompt_tokens_1"]["value"] > 0
    assert shift["bytes_50"]["value"] == 50 * shift["bytes_1"]["value"] > 0
    assert shift["seconds_per_preference"]["value"] == 0.5
    assert "first_token_50" in shift
    assert "first_token_50" not in reminder  # too long for the model, and said so
    assert "takes 1024" in (tmp_path / "out" / "summary.md").read_text()
    assert all(shift[f"tokens_per_second_{n}"]["value"] > 0 for n in (1, 4, 16))
    before = (tmp_path / "out" / "raw.jsonl").read_bytes()
    run(em, order(tmp_path, "cost"), methods, tmp_path / "out")
    assert (tmp_path / "out" / "raw.jsonl").read_bytes() == before  # times of two runs are not mixed
