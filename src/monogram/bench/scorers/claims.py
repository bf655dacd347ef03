"""What an answer claims of the person or advises: its clauses, without what it asks, denies or disowns.

Sentence embeddings hardly hear a "not", and "I can't say what your hobby is" is near to "Your hobby is ...".
So English rules leave out, before anything is compared: quotations, questions that advise nothing, what the
answer does not know, somebody else's affairs, and clauses that name the target to deny it ("You don't eat
meat" names no vegetarian). Of what is avoided, "You can't eat peanuts" says it, "You're not allergic" denies.
"""

from __future__ import annotations

import re

from monogram.words import content, stem, words

_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(r"[;:,.!?]+\s*|\bbut\b(?=.*\b(?:you|it)\b)")
_WORD = re.compile(r"\w")


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_ADVISES = _any(r"\b(?:how about|what about|why not|why don't|what if|would you like|shall we)\b")
_UNKNOWN = _any(
    r"(?:\b(?:not|cannot|unable|no|never|need)\b|n't\b).*"
    r"\b(?:know|knowing|tell|told|say|sure|certain|answer|access|information|idea)\b",
    r"\bas an? (?:ai|language model|chatbot|assistant)\b",
)
_OTHERS = _any(
    r"\b(?:your|my|his|her|their) (?:brother|sister|mother|father|mom|mum|dad|uncle|aunt|cousin|friend|wife"
    r"|husband|partner|boss|neighbou?r|son|daughter|colleague)s?\b(?! tongue)"
)
_OVER = r"\b(?:no longer|any ?more|used to)\b"
_DENIED = _any(
    _OVER,
    r"\b(?:not|never|nor|cannot|dislikes?|hates?|except|without|away from|wanted|other than)\b",
    r"n't\b",
    r"\bevery\w*(?: \w+)? but\b",
)
_DENIED_AVOIDED = _any(
    _OVER, r"\b(?:are|is) not\b|'(?:re|s) not\b", r"\b(?:aren't|isn't|have no|no allerg\w+)\b"
)


def claims(answer: str, target: str, polarity: str = "likes") -> list[str]:
    """The sentences of an answer that claim or advise something, and their clauses; [] where none does.

    A sentence of which a clause was left out is not among them, only its other clauses are.
    """
    named = set(content(target))

    def denied(clause: str) -> bool:
        clause = _ADVISES.sub(" ", clause)  # "why not" denies nothing
        if polarity == "avoids":
            return bool(_DENIED_AVOIDED.search(clause))
        return bool(_DENIED.search(clause)) and not named.isdisjoint(map(stem, words(clause)))

    found: list[str] = []
    for sentence in _pieces(_SENTENCE, _QUOTED.sub(" ", answer.replace("’", "'"))):
        if (sentence.endswith("?") and not _ADVISES.search(sentence)) or _UNKNOWN.search(sentence):
            continue
        clauses = _pieces(_CLAUSE, sentence)
        kept = [c for c in clauses if not denied(c) and not _OTHERS.search(c)]
        found += [sentence, *kept] if len(kept) == len(clauses) else kept
    return list(dict.fromkeys(found))


def _pieces(between: re.Pattern[str], text: str) -> list[str]:
    return [piece.strip() for piece in between.split(text) if _WORD.search(piece)]
