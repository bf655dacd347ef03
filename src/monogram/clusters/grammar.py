"""The forms, verbs and words that rules go by: data (`forms/forms.toml`, `forms/words.toml`), compiled once.

Also the small English that they need: a verb with -ing, a noun without its plural, a target without what is
said around it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

FOOD = ("food preference", "dessert", "cuisine", "drink")
"""What is eaten or drunk: disliked, it is a disliked food."""
PIECE = 5
"""Words; an enumeration of longer pieces is no enumeration."""


@dataclass(frozen=True)
class Form:
    """One form of sentence; `forms.toml` says what its fields do."""

    say: tuple[re.Pattern[str], ...]
    tells: Mapping[str, str]
    words: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    endings: bool = False
    as_: str = ""
    target: str = "{x}"
    doing: bool = False
    plain: bool = False
    avoid: bool = False
    otherwise: str = ""
    named: bool = False
    skip: bool = False
    polarity: str = ""
    more: bool = False
    weak: bool = False


@dataclass(frozen=True)
class Verb:
    """What the object of a verb, or the doing itself, is of."""

    of: str = ""
    alone: str = ""
    or_: tuple[str, ...] = ()
    keep: bool = False
    named: bool = False


@dataclass(frozen=True)
class Grammar:
    """Everything that the rules go by."""

    forms: tuple[Form, ...]
    verbs: Mapping[str, Verb]
    words: Mapping[str, Mapping[tuple[str, ...], str]]
    endings: tuple[str, ...]
    no_ending: frozenset[str]
    trim: Mapping[str, re.Pattern[str]]
    open: Mapping[str, re.Pattern[str]]
    synonyms: Mapping[str, str]

    def target(self, taken: str) -> str:
        """What was taken, without what is said around it; empty where it is no target."""
        text, before = taken.strip(" \"'.,!"), ""
        while text != before:
            before = text
            text = self.trim["cut"].sub("", text)
            text = self.trim["tail"].sub("", text).strip(" \"'.,!")
        text = self.trim["lead"].sub("", text + " ").strip()
        return "" if self.trim["nothing"].search(text) else text

    def full(self, taken: str) -> str:
        """The target with the article that it was taken with."""
        target = self.target(taken)
        if not target:
            return ""
        before = taken.partition(target)[0].split()
        return f"{before[-1]} {target}" if before and before[-1] in ("a", "an", "the", "my") else target

    def head(self, target: str) -> str:
        """The words of a target that say what it is: "turtle named Tim" -> "turtle"."""
        whole = tuple(folded(word) for word in target.split())
        known = any(whole in words for words in self.words.values())  # "stay at home mom"
        return target if known else self.trim["head"].sub("", f"{target} ").strip()

    def tell(
        self, target: str, sections: Iterable[str], only: Collection[str] = (), *, anywhere: bool = False
    ) -> str:
        """The attribute that the last words of a target's head tell, the longest that are known; else "".

        With `anywhere`, any words of it: "tennis lessons" are no tennis, but near.
        """
        head = re.sub(r"(?: \w*\d\w*)+$", "", self.head(target))  # "iPhone 13"
        found = [folded(word) for word in re.findall(r"[\w'$]+", head)]
        best: tuple[int, int, str] = (0, 0, "")
        for section in sections:
            for end in range(len(found) if not anywhere else 1, len(found) + 1):
                for start in range(max(0, end - PIECE), end):
                    attribute = self.words[section].get(tuple(found[start:end]), "")
                    denied = start and found[0] == "not"
                    if attribute and not denied and (not only or attribute in only):
                        best = max(best, (end - start, end, attribute))
        return best[2]

    def ends_like(self, target: str) -> bool:
        """Whether the last word of the head looks like what somebody works as ("florist", "groomer")."""
        found = self.head(target).lower().split()
        last = found[-1].removesuffix("s") if found else ""
        if len(last) < 5 or len(found) > PIECE or last in self.no_ending:
            return False
        return last.endswith(self.endings) and found[0] != "not" and not found[0].endswith("ing")

    def pieces(self, target: str) -> list[str]:
        """What is enumerated in a target, one by one; the whole alone where it is no plain enumeration."""
        if self.trim["one"].search(target):
            return [target]
        parts = [self.target(p) for p in re.split(r",? (?:and|&|or|plus) |, ?", target)]
        if any(not part or len(part.split()) > PIECE for part in parts):
            return [target]
        return parts

    def verb(self, words: Sequence[str]) -> tuple[Verb, str, int] | None:
        """The verb that words begin with, itself, and of how many words it is."""
        for n in (3, 2, 1):
            name = " ".join(words[:n]).lower()
            if len(words) >= n and name in self.verbs:
                return self.verbs[name], name, n
        return None


def folded(word: str) -> str:
    """A word in lower case and the singular, for comparing."""
    word = word.lower().removesuffix("'s").removesuffix("'")
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-2] + "y" if word.endswith("ie") else word


def gerund(phrase: str) -> str:
    """A phrase with its first word as "-ing": "ride my bike" -> "riding my bike".

    >>> [gerund(word) for word in ("run", "dance", "see", "lie", "visit", "watch old films", "hiking")]
    ['running', 'dancing', 'seeing', 'lying', 'visiting', 'watching old films', 'hiking']
    """
    verb, blank, rest = phrase.partition(" ")
    if re.fullmatch(r"\w*[aeiouy]\w*ing", verb):
        return phrase
    if verb.endswith("ie"):
        verb = verb[:-2] + "y"
    elif re.search(r"[^eoy]e$", verb) and len(verb) > 2:
        verb = verb[:-1]
    elif re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", verb):
        verb += verb[-1]
    return f"{verb}ing{blank}{rest}"


@cache
def grammar() -> Grammar:
    """The grammar that comes with the package. Immutable, read once."""
    told, known = _read("forms.toml"), _read("words.toml")
    macros: dict[str, str] = told["macro"]

    def ready(pattern: str) -> re.Pattern[str]:
        for name, text in macros.items():
            pattern = pattern.replace(f"<{name}>", text)
        for name in "xya":
            pattern = pattern.replace(f"{{{name}}}", f"(?P<{name}>.+?)")
        return re.compile(pattern, re.IGNORECASE)

    forms = []
    for record in told["form"]:
        fields = _frozen(record)
        say = tuple(ready(pattern) for pattern in fields.pop("say"))
        forms.append(Form(say, fields.pop("is", {}), as_=fields.pop("as", ""), **fields))
    verbs: dict[str, Verb] = {}
    for record in told["verb"]:
        fields = _frozen(record)
        made = Verb(or_=fields.pop("or", ()), **{name: v for name, v in fields.items() if name != "are"})
        for name in _listed(record["are"]):
            verbs |= {name: made, gerund(name): made}
    endings, sets = known.pop("endings"), [_listed(text) for text in known.pop("synonyms")["sets"]]
    words = {
        section: {
            tuple(folded(w) for w in phrase.split()): attribute
            for attribute, phrases in lists.items()
            for phrase in _listed(phrases)
        }
        for section, lists in known.items()
    }
    trim = {name: re.compile(text, re.IGNORECASE) for name, text in told["target"].items()}
    return Grammar(
        tuple(forms),
        verbs,
        words,
        tuple(_listed(endings["profession"])),
        frozenset(_listed(endings["none"])),
        trim,
        {name: re.compile(text, re.IGNORECASE) for name, text in told["open"].items()},
        {other: names[0] for names in map(_folded, sets) for other in names[1:] if other != names[0]},
    )


def _frozen(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}


def _listed(text: str) -> list[str]:
    return [" ".join(item.split()) for item in text.replace("\n", " ").split(",") if item.strip()]


def _folded(names: Iterable[str]) -> list[str]:
    return [" ".join(map(folded, name.split())) for name in names]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("monogram.clusters") / "forms" / name).read_text(encoding="utf-8"))
