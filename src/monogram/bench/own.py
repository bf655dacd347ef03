"""The project's own people: what is true of them, how they said it, what they ask (data/DATASHEET.md).

One TOML file a person in `data/people/`: `id`, `split`, `english`, `sketch`; then tables `[[preference]]`
with the fields of `OwnPreference`, and `[[change]]` with those of `Change`, as they are called here. Lines
of `data/unrelated.txt` are prompts that nobody's preferences should change, the conversations of
`data/turns.json` talk that concerns nobody. Imports no torch.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import as_file, files
from itertools import zip_longest
from pathlib import Path
from typing import Any

from monogram.bench.items import Item, ItemFile
from monogram.bench.records import Records, read_records
from monogram.errors import unknown
from monogram.preferences import Polarity, Preference

SPLITS = ("calibration", "development", "test")


@dataclass(frozen=True)
class OwnPreference:
    """One thing that is true of a person, and the questions about it, in the person's own voice.

    Attributes:
        id: the person's id and a number.
        attribute, target, polarity: as in `Preference`.
        variants: other wordings that count as right: spelling, synonyms, narrower words.
        statement: how they said it.
        direct, paraphrased, implicit, product: what they ask an assistant; none holds a word of the target.
        leak: the direct question about somebody else, whose answer is not the target.
        avoided: words whose recommendation would be a violation; given for all that is avoided.
        temptation: a question that the unknowing would answer with something avoided.
    """

    id: str
    attribute: str
    target: str
    variants: tuple[str, ...]
    polarity: Polarity
    statement: str
    direct: str
    paraphrased: str
    implicit: str
    product: str
    leak: str
    avoided: tuple[str, ...] = ()
    temptation: str = ""

    def preference(self) -> Preference:
        """The preference alone."""
        return Preference.checked(self.attribute, self.target, self.statement, self.polarity)


@dataclass(frozen=True)
class Change:
    """A change of mind: what was said later, and what is true from then on.

    Attributes:
        before: the id of the preference that it replaces.
        statement: how they said it.
        target, variants: what takes the old one's place.
    """

    before: str
    statement: str
    target: str
    variants: tuple[str, ...]


@dataclass(frozen=True)
class OwnPerson:
    """A person of the set: an opaque id, the split, the English they write, a line about them."""

    id: str
    split: str
    english: str
    sketch: str
    preferences: tuple[OwnPreference, ...]
    changes: tuple[Change, ...]


def own_people(split: str | None = None) -> tuple[OwnPerson, ...]:
    """The people of a split, in order of their ids; everybody by default.

    Raises:
        UnknownNameError: no such split.
    """
    if split is not None and split not in SPLITS:
        raise unknown("split", split, SPLITS)
    folder = files("monogram.bench") / "data" / "people"
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=lambda f: f.name)]
    people = (_person(tomllib.loads(text)) for text in texts)
    return tuple(person for person in people if split in (None, person.split))


def own_unrelated() -> tuple[str, ...]:
    """Prompts that no preference should change; none of them is in the package's corpus."""
    text = (files("monogram.bench") / "data" / "unrelated.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def own_turns() -> Records:
    """Conversations that concern nobody, ten turns each."""
    with as_file(files("monogram.bench") / "data" / "turns.json") as path:
        return replace(read_records(path), path=Path("own-turns"))


def own_items(split: str = "development") -> ItemFile:
    """A split as the task `upqa` takes it: everybody's first preference, then everybody's second, and so on.

    Raises:
        UnknownNameError: no such split.
    """
    people = own_people(split)
    digest = hashlib.sha256(repr([asdict(person) for person in people]).encode("utf-8")).hexdigest()
    later = {change.before: (change.target,) for person in people for change in person.changes}
    items = tuple(_item(place, *told, later) for place, told in enumerate(_in_turn(people)))
    return ItemFile(Path(f"own-{split}"), digest, items)


def _person(record: Mapping[str, Any]) -> OwnPerson:
    rest = {name: value for name, value in record.items() if name not in ("preference", "change")}
    return OwnPerson(
        **rest,
        preferences=tuple(OwnPreference(**_fixed(entry)) for entry in record["preference"]),
        changes=tuple(Change(**_fixed(entry)) for entry in record.get("change", ())),
    )


def _fixed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _in_turn(people: Iterable[OwnPerson]) -> Iterator[tuple[str, OwnPreference]]:
    """Person's id and preference, so that the first N are of as many people as can be."""
    columns = [[(person.id, preference) for preference in person.preferences] for person in people]
    for row in zip_longest(*columns):
        yield from (told for told in row if told is not None)


def _item(index: int, person: str, told: OwnPreference, later: Mapping[str, tuple[str, ...]]) -> Item:
    return Item(
        index=index,
        attribute=told.attribute,
        target=told.target,
        statement=told.statement,
        direct=told.direct,
        paraphrased=told.paraphrased,
        implicit=told.implicit,
        product=told.product,
        person=person,
        polarity=told.polarity,
        leak=told.leak,
        name=told.id,
        variants=told.variants,
        later=later.get(told.id, ()),
        avoided=told.avoided,
        temptation=told.temptation,
    )
