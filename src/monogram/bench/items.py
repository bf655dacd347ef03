"""Files in UPQA's format: one preference per record, with the questions that are asked about it.

`attribute_type`, `question` and `target` are texts, or lists of equal length whose last entry is the original
and the others are synonyms. Every record is checked; an error names the file, the record and the field.
Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from monogram.bench.records import field, read_records
from monogram.errors import InputError, MonogramError
from monogram.preferences import MAX_STATEMENT, Polarity, Preference

LISTS = ("attribute_type", "question", "target")
TEXTS = ("input_attribute", "question_paraphrased", "implicit_question", "product_recommendation_question")


T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """Which of the records are asked: the first `limit`, or the first `per_attribute` of each attribute."""

    limit: int | None = None
    per_attribute: int | None = None


@dataclass(frozen=True)
class Item:
    """One record: one person with one preference."""

    index: int
    """Its place in the file, counted from 0."""
    attribute: str
    target: str
    statement: str
    direct: str
    paraphrased: str
    implicit: str
    product: str
    attributes: tuple[str, ...] = ()
    """The file's list of synonyms, the original last; empty in a single file. So are the next two."""
    questions: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    person: str = ""
    """Whose it is; empty where every record is a person of its own. Only the project's own set tells this and
    what follows.
    """
    polarity: Polarity | None = None
    """None: the table's."""
    leak: str = ""
    """The direct question about somebody else."""
    name: str = ""
    """What the file calls the record; its place where it has no names."""
    variants: tuple[str, ...] = ()
    """Other wordings of the target that an answer may use."""
    later: tuple[str, ...] = ()
    """What the target becomes later: changes of mind."""
    avoided: tuple[str, ...] = ()
    """Words whose recommendation would be a violation; the target itself where there are none."""
    temptation: str = ""
    """A question that the unknowing would answer with something avoided."""

    @property
    def id(self) -> str:
        """What rows call the record."""
        return self.name or str(self.index)


@dataclass(frozen=True)
class ItemFile:
    """A file's records, all of them, and the digest of its bytes."""

    path: Path
    sha256: str
    items: tuple[Item, ...]

    @property
    def direct_questions(self) -> dict[str, str]:
        """Attribute -> the direct question that the file asks most often about it (the first of equals)."""
        asked: dict[str, Counter[str]] = {}
        for item in self.items:
            asked.setdefault(item.attribute, Counter())[item.direct] += 1
        return {attribute: counts.most_common(1)[0][0] for attribute, counts in asked.items()}

    def of(self, person: str) -> ItemFile:
        """The file with one person's records alone."""
        return replace(self, items=tuple(item for item in self.items if item.person == person))

    def select(self, choice: Choice) -> tuple[Item, ...]:
        """The chosen records, see `first`."""
        return first(self.items, lambda item: item.attribute, choice)


def first(records: Iterable[T], attribute: Callable[[T], str], choice: Choice) -> tuple[T, ...]:
    """The first `limit` records, or the first `per_attribute` of each attribute, in their order.

    Raises:
        InputError: both are given, or one is below 1.
    """
    if choice.limit is not None and choice.per_attribute is not None:
        raise InputError("Both a limit and a number per attribute were given; give one of them.")
    for what, number in (("limit", choice.limit), ("number per attribute", choice.per_attribute)):
        if number is not None and number < 1:
            raise InputError(f"The {what} is {number}; it must be at least 1.")
    if choice.per_attribute is None:
        return tuple(records)[: choice.limit]
    seen: Counter[str] = Counter()
    found = []
    for record in records:
        seen[attribute(record).casefold()] += 1
        if seen[attribute(record).casefold()] <= choice.per_attribute:
            found.append(record)
    return tuple(found)


def load_items(path: Path | str) -> ItemFile:
    """Read a file in UPQA's format.

    Raises:
        InputError: no such file, no JSON, or a record that cannot be used (file, record and field are named).
    """
    file = read_records(Path(path))
    items = tuple(_item(*place) for place in file.each())
    return ItemFile(file.path, file.sha256, items)


def _item(where: str, index: int, record: Mapping[str, Any]) -> Item:
    lists = {name: _entries(where, record, name) for name in LISTS}
    single = {name: isinstance(record[name], str) for name in LISTS}
    if len(set(single.values())) > 1:
        raise InputError(
            f"{where}: the fields {', '.join(LISTS)} must all be texts or all be lists; here "
            f"{', '.join(name for name in LISTS if single[name])} is text and the rest are lists."
        )
    sizes = {name: len(entries) for name, entries in lists.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"{where}: these lists must have equal lengths, but they have {told}.")
    texts = {name: _text(where, name, field(where, record, name)) for name in TEXTS}
    attribute, question, target = (lists[name][-1] for name in LISTS)
    many = not single["target"]
    return Item(
        index=index,
        attribute=attribute,
        target=target,
        statement=texts["input_attribute"],
        direct=question,
        paraphrased=texts["question_paraphrased"],
        implicit=texts["implicit_question"],
        product=texts["product_recommendation_question"],
        attributes=lists["attribute_type"] if many else (),
        questions=lists["question"] if many else (),
        targets=lists["target"] if many else (),
    )


def _entries(where: str, record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A field that is a text or a list of texts, as a tuple of texts."""
    value = field(where, record, name)
    if isinstance(value, str):
        return (_text(where, name, value),)
    if not isinstance(value, list) or not value:
        found = "an empty list" if isinstance(value, list) else type(value).__name__
        raise InputError(f"{where}: the field '{name}' must be a text or a list of texts, but it is {found}.")
    return tuple(_text(where, f"{name}[{place}]", entry) for place, entry in enumerate(value))


def _text(where: str, name: str, value: Any) -> str:
    """A text in normal form, held to the same limits as what a person types."""
    leaf = name.partition("[")[0]
    try:
        if leaf == "attribute_type":
            return Preference.checked(value, "x").attribute
        if leaf == "target":
            return Preference.checked("x", value).target
        checked = Preference.checked("x", "x", value).statement
    except MonogramError as error:
        raise InputError(f"{where}: the field '{name}' cannot be used. {error}") from error
    if not checked:
        raise InputError(f"{where}: the field '{name}' is empty; it needs 1 to {MAX_STATEMENT} characters.")
    return checked
