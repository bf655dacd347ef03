"""Ways to make a cluster from one preference: from the attribute table, from the attribute's own words, or
from the lists of a data set.

What is learned is the intent, so a cluster holds three kinds of phrasings (asks, roundabout questions,
recommendations), and next to every "my" its look-alikes: somebody else's, the assistant's, the word itself.
Some stand in a conversation, under a system prompt, or as one types in a hurry, so that none of these hides
the intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from monogram.clusters.cluster import KINDS, Cluster, Kind, Phrasing, bare, typed
from monogram.clusters.concerns import concerns
from monogram.clusters.corpus import histories, systems
from monogram.clusters.made_up import MY, WORD, made_up
from monogram.clusters.openings import opening
from monogram.clusters.table import Attribute, table
from monogram.preferences import Preference

HELD_OUT = 2
"""Phrasings of each kind that never train: the last ones of each list of the table."""

WHOSE = (
    *("Alice's", "Bob's", "my sister's", "my best friend's", "Mr. Tanaka's", "my boss's", "my neighbour's"),
    *("Priya's", "the president's", "my dad's", "your", "Carlos's", "her", "a typical student's", "Emma's"),
    *("my roommate's", "their", "my cousin's", "most people's", "Noah's"),
)
THEIRS = (
    "What's {w} {a}?",
    "What is {w} {a}?",
    "Tell me what {w} {a} is.",
    "Do you know {w} {a}?",
    "Remind me of {w} {a}, please.",
    "{w} {a}?",
)
CLAUSE = ("where ", "what ", "how ")
"""How names begin that can be looked up but not stand after "my"."""
PROBE_WHOSE = ("Grace's", "my grandmother's", "my teammate's")


TOWARDS = ("about", "at", "by", "for", "from", "in", "near", "of", "on", "than", "to", "towards", "with")
"""Words after which "you" is "me"."""


def expand(preference: Preference, *, several: bool = False) -> Cluster:
    """A cluster from the attribute table, or from the attribute's own words where the table has none.

    Args:
        several: whether its target is several values in one.
    """
    attribute = table().find(preference.attribute) or made_up(preference.attribute, preference.polarity)
    names = _names(attribute, preference.attribute)
    kinds: dict[Kind, tuple[str, ...]] = {
        "ask": attribute.ask,
        "roundabout": attribute.roundabout,
        "recommend": attribute.recommend,
    }
    train = [Phrasing(text, kind) for kind in KINDS for text in kinds[kind][:-HELD_OUT]]
    train += _concerned(preference)
    train += [Phrasing(text, "ask") for text in _mine(names)]
    probe = [Phrasing(text, kind) for kind in KINDS for text in kinds[kind][-HELD_OUT:]]
    contrast = [Phrasing(text, "contrast") for text in attribute.others[:-HELD_OUT]] + _theirs(names)
    contrast_probe = [Phrasing(text, "contrast") for text in attribute.others[-HELD_OUT:]]
    contrast_probe += [Phrasing(f"What's {w} {names[0]}?", "contrast") for w in PROBE_WHOSE]
    return Cluster(
        preference,
        train=tuple(_in_places(_distinct(train))),
        probe=tuple(_distinct(probe)),
        contrast=tuple(_also_typed(_distinct(contrast))),
        contrast_probe=tuple(contrast_probe),
        say=opening(preference, attribute, several=several),
    )


def expand_all(preferences: Iterable[Preference]) -> list[Cluster]:
    """The clusters of a person, in the order of the preferences.

    Several values of one attribute are one cluster ("peanuts and shellfish"): they answer the same questions,
    and said by itself each would drown the others. Its `variants` are the values one by one, in the order of
    their digests: a cluster hangs on the set of values alone.
    """
    values: dict[tuple[str, str], list[Preference]] = {}
    for p in preferences:
        known = table().find(p.attribute)
        values.setdefault((known.name if known else p.attribute.casefold(), p.polarity), []).append(p)
    return [_of_values(together) for together in values.values()]


def _of_values(together: Iterable[Preference]) -> Cluster:
    values = sorted(together, key=lambda p: p.digest)
    if len(values) == 1:
        return expand(values[0])
    targets = [p.target for p in values]
    joined = f"{', '.join(targets[:-1])} and {targets[-1]}"
    whole = expand(replace(values[0], target=joined, statement=""), several=True)
    return replace(whole, variants=tuple(targets))


def expand_from_lists(
    preference: Preference,
    attributes: Sequence[str],
    questions: Sequence[str],
    targets: Sequence[str] = (),
    *,
    different: bool = False,
) -> Cluster:
    """A cluster with exactly a data set's own questions as training phrasings, put into the first person.

    Args:
        preference: the preference.
        attributes: the data set's names of the attribute, one for each question.
        questions: its questions; "your" becomes "my" (all published ones ask about the assistant).
        targets: its variants of the target, one for each question; they are kept and only score.
        different: each question is answered with its own variant, not with the preference's target.
    """
    made = expand(preference)
    own = list(targets) if different else [preference.target] * len(questions)
    asked = zip(questions, own, strict=True)
    train = _distinct(
        [Phrasing(first_person(q), "ask", target=None if t == preference.target else t) for q, t in asked]
    )
    theirs = _distinct(_theirs(tuple(dict.fromkeys(attributes))))
    others = tuple(dict.fromkeys(t for t in targets if t != preference.target))
    return Cluster(
        preference,
        train=tuple(train),
        probe=made.probe,
        contrast=tuple(theirs),
        contrast_probe=made.contrast_probe,
        say=made.say,
        variants=others,
    )


def first_person(question: str) -> str:
    """A question to the assistant about itself, as a question of the user about themself."""
    swaps = {
        "your": "my",
        "yours": "mine",
        "yourself": "myself",
        "you're": "I'm",
        "you've": "I've",
        "you": "I",
        "are": "am",
        "were": "was",
    }
    out: list[str] = []
    tokens = question.split(" ")
    cores = ["", *(token.rstrip("?.,!").lower() for token in tokens), ""]
    for i, token in enumerate(tokens):
        before, core, after = cores[i : i + 3]
        if core not in swaps or (core in ("are", "were") and "you" not in (before, after)):
            out.append(token)
            continue
        new = "me" if core == "you" and before in TOWARDS else swaps[core]
        out.append((new[0].upper() + new[1:] if token[0].isupper() else new) + token[len(core) :])
    return " ".join(out)


def _names(attribute: Attribute, given: str) -> tuple[str, ...]:
    """Names of an attribute that can stand after "my", the given one first."""
    known = table().find(given) is attribute
    distinct: dict[str, str] = {}
    for name in (given.strip().lower(), *attribute.all_names):
        if not (known and name.startswith(CLAUSE)):
            distinct.setdefault(bare(name), name)
    return tuple(distinct.values())


def _concerned(preference: Preference) -> Iterator[Phrasing]:
    """Every second piece of the advice that what is avoided has a say in."""
    for attribute in (table().attributes[name] for name in concerns(preference)):
        yield from (Phrasing(text, "roundabout") for text in attribute.roundabout[:-HELD_OUT:2])
        yield from (Phrasing(text, "recommend") for text in attribute.recommend[:-HELD_OUT:2])


def _mine(names: Sequence[str]) -> Iterator[str]:
    for i, name in enumerate(names):
        yield MY[i % len(MY)].format(a=name)
    for text in MY[:4]:
        yield text.format(a=names[0])


def _theirs(names: Sequence[str]) -> list[Phrasing]:
    """Asks for somebody else's, by all names, and for the word itself."""
    asked = [(THEIRS[(i + j) % len(THEIRS)], name) for i, name in enumerate(names) for j in range(3)]
    texts = [form.format(w=WHOSE[turn % len(WHOSE)], a=name) for turn, (form, name) in enumerate(asked)]
    texts += [THEIRS[i % 2].format(w=who, a=names[0]) for i, who in enumerate(WHOSE)]
    definitions = [Phrasing(text.format(a=names[0]), "definition") for text in WORD]
    return [Phrasing(_capital(text), "contrast") for text in texts] + definitions


def _in_places(phrasings: Sequence[Phrasing]) -> Iterator[Phrasing]:
    """Every phrasing as it is; every second again as one types it, every fifth after earlier turns, every
    fifth under a system prompt.
    """
    asides, earlier = systems(), histories()
    yield from _also_typed(phrasings)
    for i, phrasing in enumerate(phrasings):
        if i % 5 == 1:
            yield Phrasing(phrasing.text, phrasing.kind, system=asides[i // 5 % len(asides)])
        elif i % 5 == 3:
            yield Phrasing(phrasing.text, phrasing.kind, history=earlier[i // 5 % len(earlier)])


def _also_typed(phrasings: Sequence[Phrasing]) -> Iterator[Phrasing]:
    """Every phrasing, and every second again as one types it in a hurry, where that is another text."""
    yield from phrasings
    again = [replace(phrasing, text=typed(phrasing.text)) for phrasing in phrasings[::2]]
    yield from (now for now, was in zip(again, phrasings[::2], strict=True) if now.text != was.text)


def _distinct(phrasings: Sequence[Phrasing]) -> list[Phrasing]:
    return list({bare(p.text): p for p in reversed(phrasings)}.values())[::-1]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
