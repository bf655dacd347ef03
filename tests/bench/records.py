"""Records in UPQA's format, written for these tests."""

import json
from pathlib import Path
from typing import Any

from monogram.bench.items import Item, ItemFile, load_items

HIKER = {
    "input_attribute": "Nothing beats a long walk in the hills.",
    "attribute_type": "hobby",
    "question": "What's my hobby?",
    "question_paraphrased": "What do I do on free days?",
    "implicit_question": "How could I spend Sunday?",
    "product_recommendation_question": "Which gear is worth its price for my hobby?",
    "target": "Hill walking",
}
BAKER = {
    "input_attribute": "I bake bread for a living.",
    "attribute_type": "job",
    "question": "What's my job?",
    "question_paraphrased": "How do I earn money?",
    "implicit_question": "How was your day at the shop?",
    "product_recommendation_question": "Any tools for my job?",
    "target": "Baker",
}
OWNER = {
    "input_attribute": "We keep two goats.",
    "attribute_type": "pet",
    "question": "What's my pet?",
    "question_paraphrased": "Which animals live with me?",
    "implicit_question": "Who is waiting for me at home?",
    "product_recommendation_question": "Any supplies for my pet?",
    "target": "Two goats",
}
POTTER = {**HIKER, "input_attribute": "I make pots.", "target": "Pottery", "question": "What is my hobby?"}
CLERK = {**BAKER, "attribute_type": "profession", "question": "What's my profession?", "target": "Clerk"}
ALL = [HIKER, BAKER, OWNER, POTTER, CLERK]


def clustered(record: dict[str, Any]) -> dict[str, Any]:
    """The same record with lists, the original last."""
    lists = {
        "attribute_type": ["pastime", record["attribute_type"]],
        "question": ["What's your favorite pastime?", record["question"]],
        "target": ["Rambling", record["target"]],
    }
    return {**record, **lists}


def written(folder: Path, records: list[Any] | None = None) -> Path:
    path = folder / "items.json"
    path.write_text(json.dumps(ALL if records is None else records), encoding="utf-8")
    return path


def loaded(folder: Path, records: list[Any] | None = None) -> ItemFile:
    return load_items(written(folder, records))


def same(a: str, b: str) -> bool:
    """A stand-in for the table's synonyms."""
    trade = {"job", "profession"}
    return a == b or {a, b} <= trade


def item(**changes: Any) -> Item:
    """One item without a file."""
    fields: dict[str, Any] = {
        "index": 0,
        "attribute": "hobby",
        "target": "Hill walking",
        "statement": "",
        "direct": "What's my hobby?",
        "paraphrased": "?",
        "implicit": "?",
        "product": "?",
    }
    return Item(**(fields | changes))


def folder_of(folder: Path) -> Path:
    """A folder with a file of each kind that is no UPQA's."""
    folder.mkdir(parents=True)
    situation = {"preference": "I can't stand jazz.", "question": "What should we hear tonight?"}
    options = ["A string quartet.", "Jazz at the club.", "More jazz.", "A jazz trio."]
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(6) for role in ("user", "assistant")]
    asked = "Pick: Answer1: a. Answer2: b.\n\nAnswer format: answer1/answer2"
    choice = {"instruction": asked, "answer": "answer2"}
    lists = {
        "music.json": [{**situation, "explanation": "No jazz."}],
        "music_mcq.json": [{**situation, "classification_task_options": options}],
        "turns.json": [{"conversation": turns}, {"conversation": turns[:3]}],
        "arc_300.json": [choice, {**choice, "answer": "answer1"}],
    }
    for name, records in lists.items():
        (folder / name).write_text(json.dumps(records), encoding="utf-8")
    (folder / "nq.jsonl").write_text('{"question": "where is it", "answer": ["here", "there"]}\n')
    (folder / "gsm.jsonl").write_text('{"question": "2 + 2?", "answer": "2+2=4\\n#### 4"}\n')
    (folder / "plain.txt").write_text("The quick brown fox jumps over the lazy dog. " * 40)
    return folder
