"""Words of a text, compared the way a reader would: folded case and accents, stop words, a simple stemmer.

The stemmer is for matching alone: it takes off English plurals, -ing, -ed, -er and a last e, i or y, the same
way on both sides ("hikes", "hiking" and "hiker" are one). Other languages keep their words as they are; in
scripts without blanks a word is looked for inside the text.
"""

from __future__ import annotations

import re
import unicodedata

_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_])+(?:'(?:(?![{_UNSPACED}])[^\W_])+)*")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")

_STOP = """
    a about above after again all also although always am an and any anybody anyone anything are aren't as
    at be because been before being below between both but by can can't cannot could couldn't did didn't
    do does doesn't doing don't down during each either else ever every everyone everything few for from
    further get gets getting go goes going got had hadn't has hasn't have haven't having he he'd he'll
    he's her here hers herself him himself his how however i i'd i'll i'm i've if in into is isn't it it's
    its itself just let let's like likes me may maybe might mine more most much must my myself neither no
    nor not of off often on once one only onto or other others our ours ourselves out over own per perhaps
    quite rather really same she she'd she'll she's should shouldn't since so some somebody someone
    something sometimes still such than that that's the their theirs them themselves then there there's
    these they they'd they'll they're they've thing things this those though through to too toward towards
    under until up upon us very via was wasn't we we'd we'll we're we've well were weren't what what's
    when where whether which while who whom whose why will with within without won't would wouldn't yes
    yet you you'd you'll you're you've your yours yourself yourselves
"""
STOP = frozenset(_STOP.split())
"""Words that say nothing about a target."""


def normal(text: str) -> str:
    """Folded case and accents, straight quotes, single blanks."""
    spelled = unicodedata.normalize("NFKD", text.replace("’", "'").replace("‘", "'").casefold())
    bare = "".join(c for c in spelled if not unicodedata.category(c).startswith("M"))
    return " ".join(unicodedata.normalize("NFC", bare).split())


def words(text: str) -> list[str]:
    """The words of a text, normalised, in order. A run of a script without blanks is one word."""
    return [word.removesuffix("'s") for word in _WORD.findall(normal(text))]


def count(text: str) -> int:
    """How many words a reader would count; two characters of a script without blanks count as one."""
    return sum((len(word) + 1) // 2 if unspaced(word) else 1 for word in words(text))


def unspaced(word: str) -> bool:
    """Whether the word is of a script that puts no blanks between words."""
    return bool(_IS_UNSPACED.match(word))


def content(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order."""
    return [stem(word) for word in words(text) if word not in STOP]


def stem(word: str) -> str:
    """The word without its English ending. Never shorter than three letters; other scripts stay as they
    are.
    """
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed", "er"):
        rest = word.removesuffix(ending)
        if (
            rest != word
            and len(rest) >= 3
            and re.search("[aeiouy]", rest)
            and not word.endswith(("eed", "eer"))
        ):
            word = rest[:-1] if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    while len(word) > 3 and word[-1] in "eiy":
        word = word[:-1]
    return word
