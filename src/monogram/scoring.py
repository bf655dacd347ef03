"""What counts as a good answer (docs/evaluation.md §4). Text in, marks out; no model, no torch."""

from __future__ import annotations

import re
from collections import Counter

from monogram.words import content, count, normal, stem, unspaced, words

BEYOND = 8
"""Words that an answer to an implicit or product question needs beyond the target's own."""
TERSE, LONG = 4, 12
"""An answer is terse under `TERSE` words where the base model gives more than `LONG`."""
_DENIED = """
    no not non none never without avoid avoids avoiding avoided free skip skipping except excluding exclude
    instead allergic allergy allergies allergen intolerant intolerance dislike dislikes disliked hate hates
    don't doesn't can't cannot won't isn't aren't shouldn't leave leaving omit omitting replace replacing
    substitute alternative alternatives away fear afraid phobia rather unlike
"""
DENIED = frozenset(_DENIED.split())
"""Words of a clause that leave something out."""
ITEM = 3
"""Most words of an item of an enumeration."""
REPEATED = 0.2
"""An answer stutters when a larger share of its word triples is a repetition."""


def contains(target: str, answer: str) -> bool:
    """Whether the normalised target is a substring of the normalised answer (UPQA's own first rule)."""
    return normal(target) in normal(answer)


def telling(target: str, question: str, attribute: str) -> tuple[str, ...]:
    """Stems of the target that tell something: no stop words, none of the question's or the attribute's.

    Empty where nothing is left: such an item cannot be scored by `recall`.
    """
    told = {stem(word) for word in (*words(question), *words(attribute))}
    return tuple(dict.fromkeys(s for s in content(target) if s not in told))


def recall(target: str, answer: str, *, question: str, attribute: str, beyond: int = 0) -> bool | None:
    """Whether at least half of the target's telling words are in the answer.

    Args:
        target: what should be said.
        answer: what was said.
        question: what was asked; its words don't count.
        attribute: what the target is about; its words don't count.
        beyond: how many words the answer needs that are not the target's.

    Returns:
        None when the target has no telling words: the item is excluded.
    """
    wanted = telling(target, question, attribute)
    if not wanted:
        return None
    said, whole = {stem(word) for word in words(answer)}, normal(answer)
    found = sum(s in said or (unspaced(s) and s in whole) for s in wanted)
    return 2 * found >= len(wanted) and (beyond == 0 or words_beyond(target, answer) >= beyond)


def recommends(avoided: str, answer: str) -> bool:
    """Whether an answer names what is avoided other than to leave it out.

    Clause by clause: "Keeping it peanut-free, try almonds" and "Skip the peanuts" don't, "Since you avoid
    peanuts, try peanut butter" does. In an enumeration ("No almonds, cashews, or peanuts") the first item
    decides.
    """
    wanted = set(content(avoided))
    for sentence in re.split(r"[.!?;\n]+", answer):
        denied = False
        for clause in re.split(r"[:,]|\bbut\b", sentence):
            said = words(clause)
            denied = not DENIED.isdisjoint(said) or (denied and len(said) <= ITEM)
            if wanted and not denied and wanted <= {stem(word) for word in said}:
                return True
    return False


def words_beyond(target: str, answer: str) -> int:
    """How many words of the answer are none of the target's."""
    own = {stem(word) for word in words(target)}
    return sum(count(word) for word in words(answer) if stem(word) not in own)


def terse(answer: str, base: str) -> bool | None:
    """Whether the answer has under 4 words; None where the base model's has 12 or fewer."""
    return count(answer) < TERSE if count(base) > LONG else None


def stutters(answer: str) -> bool:
    """Whether the answer says a word three times running, or repeats more than a fifth of its word
    triples.
    """
    said = words(answer)
    triples = list(zip(said, said[1:], said[2:], strict=False))
    if any(a == b == c for a, b, c in triples):
        return True
    repeated = sum(times - 1 for times in Counter(triples).values())
    return bool(triples) and repeated > REPEATED * len(triples)
