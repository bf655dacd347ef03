"""The reader that needs nothing: preferences out of plain sentences, by forms of English.

What is found is sure, or a guess: then the form (`forms/forms.toml`) says that something is liked, but no
known word of what kind it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monogram.clusters.grammar import FOOD, Form, Grammar, gerund, grammar
from monogram.clusters.group import reads_same
from monogram.clusters.said import clauses
from monogram.clusters.table import table
from monogram.preferences import Preference

LIKED = ("like",)
"""The section of words that tells what is liked."""
KIND = re.compile(r"^(?:kind|type|sort|style|genre|form|flavor|brand)s? of ", re.IGNORECASE)
OWN = 3
"""Words that a favorite of one's own may have ("favorite ice cream flavor")."""


@dataclass(frozen=True)
class Found:
    """What a clause says of an attribute of the table.

    Attributes:
        attribute, target, polarity: as a preference has them.
        guess: the attribute is a guess.
        weak: it gives way to another value of the attribute in the same words (born here, living there).
    """

    attribute: str
    target: str
    polarity: str
    guess: bool = False
    weak: bool = False

    def as_preference(self, sentence: str) -> Preference:
        """As a preference, with the sentence that says it."""
        return Preference.checked(self.attribute, self.target, sentence, self.polarity)


class Rules:
    """Reads by rules alone."""

    name = "rules"

    def same(self, one: str, other: str) -> bool:
        """Whether two targets read the same."""
        return reads_same(one, other)

    def read(self, turns: Sequence[str]) -> tuple[Preference, ...]:
        """The preferences in somebody's own turns, in the order in which they were said."""
        found = [
            (one, c.sentence) for turn in turns for c in clauses(turn) for one in understood(c.text) or ()
        ]
        return settled(found)


def settled(found: Sequence[tuple[Found, str]]) -> tuple[Preference, ...]:
    """What was found, with its sentences, as preferences; weak ones give way."""
    strong = {one.attribute for one, _ in found if not one.weak}
    kept = [(one, sentence) for one, sentence in found if not (one.weak and one.attribute in strong)]
    return tuple(one.as_preference(sentence) for one, sentence in kept)


def understood(clause: str) -> list[Found] | None:
    """What a clause such as "I love hiking" says; [] where no form fits, None where it says nothing."""
    rules, made = grammar(), list[Found]()
    for form in rules.forms:
        for taken in filter(None, (pattern.fullmatch(clause) for pattern in form.say)):
            if form.skip:
                return made or None
            words = {name: text or "" for name, text in taken.groupdict().items()}
            known = {name for found in made for name in (found.attribute, found.target)}
            found = [f for f in _applied(rules, form, words) if not known & {f.attribute, f.target}]
            made += found
            if found and not form.more:
                return made
            if found:
                break
    return made


def _applied(rules: Grammar, form: Form, taken: Mapping[str, str]) -> Iterator[Found]:
    """What a form tells with the words that it took."""
    x = taken.get("x", "")
    if form.named:
        yield from _named(rules, form, taken["a"], x)
    elif form.doing:
        for one in _doings(rules, x, form.otherwise):
            kind = "disliked food" if one.attribute in FOOD else "dislike"
            yield Found(kind, one.target, "avoids") if form.avoid else one
    elif form.plain:
        verb = rules.verb(rules.target(x).split())
        yield from _doings(rules, x, "") if verb and not verb[0].named else ()
    elif form.words:
        of_words = list(_of_words(rules, form, x))
        yield from of_words
        yield from _fixed(rules, form, form.also, taken) if of_words else ()
    else:
        yield from _fixed(rules, form, form.tells, taken)


def _fixed(rules: Grammar, form: Form, tells: Mapping[str, str], taken: Mapping[str, str]) -> Iterator[Found]:
    """Attributes that the form itself knows, with what was taken for them."""
    x, y = rules.target(taken.get("x", "")), rules.target(taken.get("y", ""))
    for name, template in tells.items():
        attribute = table().attributes[name]
        several = template == "{x}" and not attribute.single
        for piece in rules.pieces(x) if several else [x]:
            target = template.format(x=piece, y=y, ing=gerund(x)) if x or "{" not in template else ""
            if target.strip():
                yield Found(name, target.strip(), form.polarity or attribute.polarity, weak=form.weak)


def _of_words(rules: Grammar, form: Form, taken: str) -> Iterator[Found]:
    """Attributes that the words of what was taken tell, piece by piece where the pieces tell some."""
    x = rules.target(taken)
    if not x:
        return

    def tell(target: str) -> str:
        works = form.endings and rules.full(taken) != x and rules.ends_like(target)
        return rules.tell(target, form.words, form.only) or ("profession" if works else "")

    pieces = rules.pieces(x)
    told = [tell(piece) for piece in pieces]
    heads = [rules.head(piece) for piece in pieces]
    if len(pieces) > 1 and (not any(told) or (all(told) and _is_one(told))):
        pieces, told, heads = [x], told[:1], [x]
    for piece, name, head in zip(pieces, told, heads, strict=True):
        if name or (form.otherwise and len(pieces) == 1):
            attribute = form.as_ or name or form.otherwise
            target = form.target.format(x=piece, head=head, full=rules.full(taken), ing=gerund(piece))
            polarity = form.polarity or table().attributes[attribute].polarity
            yield Found(attribute, target, polarity, guess=not name)


def _is_one(names: Sequence[str]) -> bool:
    """Whether all are one attribute that has one value: then what is enumerated is that value."""
    return len(set(names)) == 1 and table().attributes[names[0]].single


def _named(rules: Grammar, form: Form, given: str, taken: str) -> Iterator[Found]:
    """An attribute by its own name ("my favorite ...", "my job is ..."); a favorite may be one's own."""
    x, name = rules.target(taken), KIND.sub("", given).strip().lower()
    spelled = (name, f"{name}s", name.removesuffix("s"))
    known = (table().find(text) for n in spelled for text in (f"favorite {n}", n))
    attribute = next(filter(None, known), None)
    if form.only and (attribute is None or attribute.name not in form.only):
        return
    if form.only and attribute is not None:
        works = rules.tell(x, ["am"], ["profession"]) or rules.ends_like(x) or gerund(x) == x
        if attribute.name == "profession" and not works:  # "my job is stressful"
            return
    elif attribute is None:
        attribute = table().find(rules.tell(name, LIKED))
    if attribute is None and len(name.split()) > OWN:
        return
    own = attribute.name if attribute is not None else f"favorite {name}"
    polarity = attribute.polarity if attribute is not None and form.only else "likes"
    for piece in rules.pieces(x) if attribute is not None and not attribute.single else [x]:
        if piece:
            yield Found(own, piece, polarity)


def _doings(rules: Grammar, taken: str, otherwise: str) -> list[Found]:
    """What is liked or done, one by one where every piece of an enumeration is known."""
    x = rules.target(taken)
    if not x:
        return []
    pieces = rules.pieces(x)
    if len(pieces) > 1:
        found = [_doing(rules, piece, "") for piece in pieces]
        if all(found):
            return [one for one in found if one]
    one = _doing(rules, x, otherwise, infinitive=taken.lower().lstrip().startswith("to "))
    return [one] if one else []


def _doing(rules: Grammar, x: str, otherwise: str, *, infinitive: bool = False) -> Found | None:
    """One thing or doing; with `otherwise` anything goes, without it verbs and words must be known."""
    words = x.split()
    if len(words) > 1 and words[0].lower() in ("go", "going") and words[1].lower().endswith("ing"):
        words = words[1:]
    if known := rules.verb(words):
        verb, name, n = known
        rest, doing = " ".join(words[n:]), gerund(name)
        thing = rules.target(rest)
        if thing and (told := rules.tell(thing, LIKED, verb.or_) if verb.or_ else ""):
            return Found(told, thing, "likes")
        if thing and verb.of:
            return Found(verb.of, f"{doing} {rules.full(rest)}" if verb.keep else thing, "likes")
        if len(words) == n and verb.alone:
            return Found(verb.alone, doing, "likes")
        if not otherwise:
            return None
    plain = " ".join(words)
    if infinitive or words[0].lower().endswith("ing"):
        plain = gerund(plain)
    if told := rules.tell(plain, LIKED):
        return Found(told, plain, "likes")
    near = rules.tell(plain, LIKED, anywhere=True)
    return Found(near or otherwise, plain, "likes", guess=True) if otherwise else None
