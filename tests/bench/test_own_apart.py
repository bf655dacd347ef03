"""Nothing of the project's own set trains anything in the package, nor stands in somebody else's data."""

import csv
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monogram.bench.methods import SIMILARITY
from monogram.bench.own import own_people, own_unrelated
from monogram.clusters.cluster import overlap, words
from monogram.clusters.corpus import exams, histories, systems, unrelated, unrelated_probes
from monogram.clusters.expand import expand
from monogram.clusters.pool import pool
from monogram.clusters.table import table
from monogram.models.texts import lines
from monogram.preferences import Preference

ASKED = ("statement", "direct", "paraphrased", "implicit", "product", "leak", "temptation")
PEOPLE = own_people()


def _mine() -> Iterator[str]:
    yield from own_unrelated()
    for person in PEOPLE:
        yield from (change.statement for change in person.changes)
        for p in person.preferences:
            yield from (getattr(p, field) for field in ASKED if getattr(p, field))


def lent(others: Iterable[str]) -> list[tuple[str, str]]:
    """Texts of the set that equal one of the others, or nearly, as it is measured before a run.

    Two bags that share so much can differ in few words, so only those are compared that hold one of a
    text's rarest words.
    """
    bags = {frozenset(words(text)): text for text in others}
    holding: dict[str, list[frozenset[str]]] = defaultdict(list)
    for bag in bags:
        for word in bag:
            holding[word].append(bag)
    found = []
    for text in _mine():
        bag = frozenset(words(text))
        rare = sorted(bag, key=lambda word: len(holding[word]))[: int((1 - SIMILARITY) * len(bag)) + 2]
        near = {other for word in rare for other in holding[word] if overlap(bag, other) >= SIMILARITY}
        found += [(text, bags[other]) for other in near]
    return found


def test_what_is_too_near_is_found() -> None:
    text = next(_mine())
    assert lent([text.upper() + "!", "What is the weather like?"]) == [(text, text.upper() + "!")]
    long = max(_mine(), key=lambda t: len(words(t)))
    assert [mine for mine, _ in lent([long + " Zebra."])] == [long]


def test_nothing_is_a_phrasing_that_trains_or_probes() -> None:
    names = [name for a in table() for name in a.all_names]
    names += [p.attribute for person in PEOPLE for p in person.preferences]
    texts = {entry.phrasing.text for entry in pool()}
    for name in dict.fromkeys(names):
        c = expand(Preference(name, "x"))
        texts.update(p.text for p in (*c.train, *c.probe, *c.contrast, *c.contrast_probe))
    assert lent(texts) == []


def test_nothing_is_of_the_packages_own_corpus() -> None:
    turns = [content for turns in histories() for _, content in turns]
    chats = list(_texts([json.loads(line) for line in lines("chats.jsonl")]))
    assert lent([*exams(), *unrelated(), *unrelated_probes(), *systems(), *turns, *chats]) == []


def test_nothing_is_of_a_third_partys_data() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("MONOGRAM_DATA") or beside)
    if not folder.is_dir():
        pytest.skip("no third-party data: let MONOGRAM_DATA name a folder of it to hold the set against it")
    found = [text for file in sorted(folder.rglob("*.*")) for text in _read(file)]
    assert len(found) > 1000
    assert lent(found) == []


def _read(file: Path) -> Iterator[str]:
    if file.suffix == ".json":
        yield from _texts(json.loads(file.read_text(encoding="utf-8")))
    elif file.suffix == ".jsonl":
        yield from _texts([json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()])
    elif file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as rows:
            yield from (line for row in csv.reader(rows) for cell in row for line in cell.splitlines())


def _texts(record: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(record, str):
        yield record
    elif isinstance(record, dict | list):
        for entry in record.values() if isinstance(record, dict) else record:
            yield from _texts(entry)
