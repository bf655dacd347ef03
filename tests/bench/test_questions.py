"""What is asked about an item, and what an answer is marked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from monogram.bench.questions import Upqa, marks
from tests.bench.records import loaded, same

TALK = "On Sunday you could go for a walk over the hills with three of your friends."


def task(folder: Path, **more: Any) -> Upqa:
    file = loaded(folder)
    return Upqa(file, file.items, same=same, **more)


def test_an_item_is_asked_its_four_questions_and_the_probes(tmp_path: Path) -> None:
    made = task(tmp_path)
    asked = [(q.kind, q.variant) for q in made.questions(made.items[0])]
    assert asked == [
        *((kind, "") for kind in ("direct", "paraphrased", "implicit", "product")),
        *(("leak", variant) for variant in ("person", "relative", "definition")),
        *(("crosstalk", other) for other in ("job", "pet", "profession")),
    ]


def test_crosstalk_asks_for_the_same_persons_other_attributes(tmp_path: Path) -> None:
    file = loaded(tmp_path)
    people = ["a", "a", "a", "b", "b"]
    items = tuple(replace(item, person=who) for item, who in zip(file.items, people, strict=True))
    made = Upqa(replace(file, items=items), items, same=same)
    assert made.file.of("b").items == items[3:]
    asked = [{q.text for q in made.questions(item) if q.kind == "crosstalk"} for item in items]
    assert {"What's my job?", "What's my pet?"} <= asked[0]
    assert "What's my profession?" in asked[3]
    assert "What's my profession?" not in asked[0]


def test_what_is_put_to_the_assistant_is_a_kind_of_its_own(tmp_path: Path) -> None:
    made = task(tmp_path)
    assert "implicit_assistant" in {q.kind for q in made.questions(made.items[1])}
    assert "implicit" not in {q.kind for q in made.questions(made.items[1])}


def test_everything_that_is_asked_of_the_whole_file_may_not_train(tmp_path: Path) -> None:
    file = loaded(tmp_path)
    few = Upqa(file, file.items[:1], same=same)
    every = Upqa(file, file.items, same=same)
    assert few.asked == every.asked
    assert set(every.drift_prompts) <= set(few.asked)
    for item in file.items:
        assert {q.text for q in every.questions(item)} <= set(few.asked)


def marked(kind: str, answer: str, base: str = "I don't know.", **more: Any) -> dict[str, bool | None]:
    record = {"kind": kind, "target": "Hill walking", "attribute": "hobby", "question": "What's my hobby?"}
    return marks({**record, "answer": answer, "head": [1, 2], **more}, {"answer": base, "head": [1, 2]})


def test_a_direct_answer_is_marked() -> None:
    assert marked("direct", "Walking in the hills.") == {
        "direct": True,
        "contains_direct": False,
        "terse": None,
        "repetition": False,
        "excluded": False,
    }


def test_a_product_answer_that_only_names_the_target_does_not_count() -> None:
    found = marked("product", "Hill walking!", base=TALK)
    assert (found["product"], found["contains_product"], found["terse"]) == (False, True, True)
    assert marked("product", TALK)["product"] is True
    assert marked("implicit", "Hill walking.")["implicit"] is False


def test_a_leak_is_what_the_base_model_did_not_say() -> None:
    assert marked("leak", "Omar likes hills.") == {"leak": True}
    assert marked("leak", "Omar likes hills.", base="He likes the hills.") == {"leak": False}
    assert marked("leak", "No idea.", base="He likes the hills.") == {"leak": False}


def test_crosstalk_tells_the_target_apart_from_any_change() -> None:
    assert marked("crosstalk", "A walker.", head=[1, 3]) == {"crosstalk": True, "crosstalk_changed": True}
    assert marked("crosstalk", "No idea.") == {"crosstalk": False, "crosstalk_changed": False}


def test_an_excluded_item_is_counted_and_marked_for_nothing_else() -> None:
    found = marked("direct", "hobby", target="My hobby")
    assert (found["direct"], found["excluded"]) == (None, True)
    assert marked("leak", "hobby", target="My hobby") == {"leak": None}
